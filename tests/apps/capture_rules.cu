// SPDX-License-Identifier: Apache-2.0
// Which calls a stream capture lets be made, by its mode, from the thread that records and from
// another, and which of them end it. The wanted answers are those of NVIDIA's driver 580.
#include <functional>
#include <thread>
#include <vector>

#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

namespace {

constexpr size_t kBytes = 4096;

// When a call is refused while a stream records.
enum class Rule {
  kAllowed,
  kUnsafe,  // where the mode of the capture forbids it to the calling thread
  kNever,   // in every mode, from every thread
};

__global__ void Add(unsigned* cell, unsigned addend) {
  *cell += apps::kMutate ? addend + 1 : addend;
}

// What the calls are about; none of it is recorded.
struct Things {
  Things() {
    CUDA_CALL(cudaMalloc(&cell, kBytes));
    CUDA_CALL(cudaMemset(cell, 0, kBytes));
    CUDA_CALL(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    CUDA_CALL(cudaStreamCreate(&blocking));
    CUDA_CALL(cudaEventCreate(&recorded));
    CUDA_CALL(cudaEventRecord(recorded, other));
    CUDA_CALL(cudaStreamBeginCapture(other, cudaStreamCaptureModeRelaxed));
    Add<<<1, 1, 0, other>>>(cell, 1);
    CUDA_CALL(cudaStreamEndCapture(other, &graph));
    CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
    CUDA_CALL(cudaDeviceSynchronize());
  }

  ~Things() {
    CUDA_CALL(cudaGraphExecDestroy(exec));
    CUDA_CALL(cudaGraphDestroy(graph));
    CUDA_CALL(cudaEventDestroy(recorded));
    CUDA_CALL(cudaStreamDestroy(blocking));
    CUDA_CALL(cudaStreamDestroy(other));
    CUDA_CALL(cudaFree(cell));
  }

  unsigned* cell = nullptr;
  cudaStream_t other = nullptr;
  cudaStream_t blocking = nullptr;
  cudaEvent_t recorded = nullptr;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  char page[kBytes] = {};
};

// For what a call needs or leaves, which no capture shall mind.
template <typename Act>
void Unminded(const Act& act) {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  CUDA_CALL(cudaThreadExchangeStreamCaptureMode(&mode));
  act();
  CUDA_CALL(cudaThreadExchangeStreamCaptureMode(&mode));
}

struct Case {
  const char* name;
  Rule rule;
  std::function<cudaError_t(Things&, cudaStream_t)> call;
  cudaError_t refusal = cudaErrorStreamCaptureUnsupported;
};

cudaError_t Allocate(Things&, cudaStream_t) {
  void* made = nullptr;
  const cudaError_t result = cudaMalloc(&made, kBytes);
  if (result == cudaSuccess) {
    Unminded([made] { CUDA_CALL(cudaFree(made)); });
  }
  return result;
}

cudaError_t Free(Things&, cudaStream_t) {
  void* made = nullptr;
  Unminded([&made] { CUDA_CALL(cudaMalloc(&made, kBytes)); });
  const cudaError_t result = cudaFree(made);
  if (result != cudaSuccess) {
    Unminded([made] { CUDA_CALL(cudaFree(made)); });
  }
  return result;
}

cudaError_t AllocatePinned(Things&, cudaStream_t) {
  void* made = nullptr;
  const cudaError_t result = cudaMallocHost(&made, kBytes);
  if (result == cudaSuccess) {
    Unminded([made] { CUDA_CALL(cudaFreeHost(made)); });
  }
  return result;
}

cudaError_t FreePinned(Things&, cudaStream_t) {
  void* made = nullptr;
  Unminded([&made] { CUDA_CALL(cudaMallocHost(&made, kBytes)); });
  const cudaError_t result = cudaFreeHost(made);
  if (result != cudaSuccess) {
    Unminded([made] { CUDA_CALL(cudaFreeHost(made)); });
  }
  return result;
}

cudaError_t Instantiate(Things& things, cudaStream_t) {
  cudaGraphExec_t made = nullptr;
  const cudaError_t result = cudaGraphInstantiate(&made, things.graph, 0);
  if (result == cudaSuccess) {
    Unminded([made] { CUDA_CALL(cudaGraphExecDestroy(made)); });
  }
  return result;
}

cudaError_t DestroyExec(Things& things, cudaStream_t) {
  cudaGraphExec_t made = nullptr;
  Unminded([&] { CUDA_CALL(cudaGraphInstantiate(&made, things.graph, 0)); });
  const cudaError_t result = cudaGraphExecDestroy(made);
  if (result != cudaSuccess) {
    Unminded([made] { CUDA_CALL(cudaGraphExecDestroy(made)); });
  }
  return result;
}

// An event that marks a place in the recording.
template <cudaError_t (*kAsk)(cudaEvent_t)>
cudaError_t AskMark(Things&, cudaStream_t stream) {
  cudaEvent_t mark = nullptr;
  CUDA_CALL(cudaEventCreate(&mark));
  CUDA_CALL(cudaEventRecord(mark, stream));
  const cudaError_t result = kAsk(mark);
  CUDA_CALL(cudaEventDestroy(mark));
  return result;
}

std::vector<Case> Cases() {
  return {
      {"cudaMalloc", Rule::kUnsafe, Allocate},
      {"cudaFree", Rule::kUnsafe, Free},
      {"cudaMallocHost", Rule::kUnsafe, AllocatePinned},
      {"cudaFreeHost", Rule::kUnsafe, FreePinned},
      {"cudaStreamSynchronize", Rule::kUnsafe,
       [](Things& things, cudaStream_t) { return cudaStreamSynchronize(things.other); }},
      {"cudaStreamSynchronize of a blocking stream", Rule::kUnsafe,
       [](Things& things, cudaStream_t) { return cudaStreamSynchronize(things.blocking); }},
      {"cudaStreamSynchronize of the legacy stream", Rule::kUnsafe,
       [](Things&, cudaStream_t) { return cudaStreamSynchronize(cudaStreamLegacy); }},
      {"cudaStreamSynchronize of the recorded stream", Rule::kNever,
       [](Things&, cudaStream_t stream) { return cudaStreamSynchronize(stream); }},
      {"cudaStreamQuery", Rule::kUnsafe,
       [](Things& things, cudaStream_t) { return cudaStreamQuery(things.other); }},
      {"cudaStreamQuery of the recorded stream", Rule::kNever,
       [](Things&, cudaStream_t stream) { return cudaStreamQuery(stream); }},
      {"cudaDeviceSynchronize", Rule::kNever,
       [](Things&, cudaStream_t) { return cudaDeviceSynchronize(); }},
      {"cudaEventQuery", Rule::kUnsafe,
       [](Things& things, cudaStream_t) { return cudaEventQuery(things.recorded); }},
      {"cudaEventSynchronize", Rule::kUnsafe,
       [](Things& things, cudaStream_t) { return cudaEventSynchronize(things.recorded); }},
      {"cudaEventQuery of a mark", Rule::kNever, AskMark<cudaEventQuery>, cudaErrorCapturedEvent},
      {"cudaEventSynchronize of a mark", Rule::kNever, AskMark<cudaEventSynchronize>,
       cudaErrorCapturedEvent},
      {"cudaStreamWaitEvent for work outside", Rule::kNever,
       [](Things& things, cudaStream_t stream) {
         return cudaStreamWaitEvent(stream, things.recorded, 0);
       },
       cudaErrorStreamCaptureIsolation},
      {"cudaGraphInstantiate", Rule::kUnsafe, Instantiate},
      {"cudaGraphExecDestroy", Rule::kUnsafe, DestroyExec},
      {"cudaGraphLaunch into the recorded stream", Rule::kNever,
       [](Things& things, cudaStream_t stream) { return cudaGraphLaunch(things.exec, stream); }},
      {"cudaGraphLaunch", Rule::kAllowed,
       [](Things& things, cudaStream_t) { return cudaGraphLaunch(things.exec, things.other); }},
      {"cudaStreamAddCallback on the recorded stream", Rule::kNever,
       [](Things&, cudaStream_t stream) {
         return cudaStreamAddCallback(
             stream, [](cudaStream_t, cudaError_t, void*) {}, nullptr, 0);
       }},
      {"a launch on the legacy stream", Rule::kAllowed,
       [](Things& things, cudaStream_t) {
         Add<<<1, 1>>>(things.cell, 2);
         return cudaGetLastError();
       }},
      {"cudaMemcpy", Rule::kAllowed,
       [](Things& things, cudaStream_t) {
         return cudaMemcpy(things.cell + 1, things.page, sizeof(unsigned), cudaMemcpyHostToDevice);
       }},
      {"cudaMemcpyAsync of pageable memory", Rule::kAllowed,
       [](Things& things, cudaStream_t stream) {
         return cudaMemcpyAsync(things.cell + 1, things.page, sizeof(unsigned),
                                cudaMemcpyHostToDevice, stream);
       }},
      {"cudaMemGetInfo", Rule::kAllowed,
       [](Things&, cudaStream_t) {
         size_t free_bytes = 0;
         size_t total_bytes = 0;
         return cudaMemGetInfo(&free_bytes, &total_bytes);
       }},
  };
}

bool IsRefused(Rule rule, cudaStreamCaptureMode mode, bool from_other) {
  return rule == Rule::kNever ||
         (rule == Rule::kUnsafe && (mode == cudaStreamCaptureModeGlobal ||
                                    (mode == cudaStreamCaptureModeThreadLocal && !from_other)));
}

// Records, makes the call, and looks at what became of the recording.
void Check(apps::Verdict& verdict,
           Things& things,
           const Case& one,
           cudaStreamCaptureMode mode,
           bool from_other) {
  const std::string what = std::string(one.name) + (from_other ? " by another thread" : "") +
                           " in mode " + std::to_string(mode);
  const bool refused = IsRefused(one.rule, mode, from_other);
  cudaStream_t stream = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  CUDA_CALL(cudaStreamBeginCapture(stream, mode));
  cudaError_t result = cudaSuccess;
  const auto act = [&] { result = one.call(things, stream); };
  if (from_other) {
    std::thread(act).join();
  } else {
    act();
  }
  static_cast<void>(cudaGetLastError());
  verdict.ExpectCode(result, refused ? one.refusal : cudaSuccess, what);
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CUDA_CALL(cudaStreamIsCapturing(stream, &status));
  verdict.ExpectCode(status,
                     refused ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive,
                     "the recording after " + what);
  cudaGraph_t graph = nullptr;
  verdict.ExpectCode(cudaStreamEndCapture(stream, &graph),
                     refused ? cudaErrorStreamCaptureInvalidated : cudaSuccess,
                     "its end after " + what);
  static_cast<void>(cudaGetLastError());
  if (graph != nullptr) {
    CUDA_CALL(cudaGraphDestroy(graph));
  }
  CUDA_CALL(cudaStreamDestroy(stream));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("capture_rules", argc, argv);
  Things things;
  unsigned wanted = 0;
  for (const Case& one : Cases()) {
    for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal,
                            cudaStreamCaptureModeRelaxed}) {
      Check(verdict, things, one, mode, false);
      Check(verdict, things, one, mode, true);
    }
    const std::string name = one.name;
    wanted += name == "cudaGraphLaunch" ? 6 : name == "a launch on the legacy stream" ? 12 : 0;
  }
  CUDA_CALL(cudaDeviceSynchronize());
  verdict.ExpectEqual(apps::HostCopy(things.cell, 1), {wanted}, "what was launched meanwhile");
  return verdict.Finish();
}
