// SPDX-License-Identifier: Apache-2.0
// Events about a whole context: recorded, they are reached when all of its streams are done with
// what they have; waited for, no stream of the context goes on without them. Streams are held up by
// a word of memory, so that what is asked meanwhile has one right answer.
#include <atomic>
#include <chrono>
#include <thread>

#include <cuda.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/verdict.h"

namespace {

constexpr unsigned kCells = 256;
constexpr int kAsks = 40;

__global__ void Step(unsigned* cells, unsigned factor) {
  const unsigned i = threadIdx.x;
  cells[i] = cells[i] * factor + i + (apps::kMutate && i == 9 ? 1 : 0);
}

void Require(CUresult result, const char* call, int line) {
  if (result != CUDA_SUCCESS) {
    const char* name = nullptr;
    cuGetErrorName(result, &name);
    std::fprintf(stderr, "context_events.cu:%d: %s: %s (%d)\n", line, call,
                 name == nullptr ? "?" : name, static_cast<int>(result));
    std::exit(1);
  }
}

#define DRIVER_CALL(call) Require((call), #call, __LINE__)

// A context, two streams that wait for nobody, an event, and a word that holds up whoever waits for
// it. Thread: caller's.
class Stage {
 public:
  Stage() : word_(16) {
    DRIVER_CALL(cuCtxGetCurrent(&context));
    DRIVER_CALL(cuStreamCreate(&held, CU_STREAM_NON_BLOCKING));
    DRIVER_CALL(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    DRIVER_CALL(cuStreamCreate(&release_, CU_STREAM_NON_BLOCKING));
    DRIVER_CALL(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    word_.Fill(0);
    DRIVER_CALL(cuCtxSynchronize());
  }

  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  ~Stage() {
    DRIVER_CALL(cuCtxSynchronize());
    DRIVER_CALL(cuEventDestroy(event));
    DRIVER_CALL(cuStreamDestroy(release_));
    DRIVER_CALL(cuStreamDestroy(other));
    DRIVER_CALL(cuStreamDestroy(held));
  }

  void Hold() {
    ++turn_;
    DRIVER_CALL(cuStreamWaitValue32(held, Word(), turn_, CU_STREAM_WAIT_VALUE_GEQ));
  }

  void LetGo() { LetGoBy(release_); }

  // By a stream of another context, if this one's are held themselves.
  void LetGoBy(CUstream stream) { DRIVER_CALL(cuStreamWriteValue32(stream, Word(), turn_, 0)); }

  // A word that nobody looks at.
  CUdeviceptr Spare() { return Word() + 8 * sizeof(unsigned); }

  CUcontext context = nullptr;
  CUstream held = nullptr;
  CUstream other = nullptr;
  CUevent event = nullptr;

 private:
  CUdeviceptr Word() { return reinterpret_cast<CUdeviceptr>(word_.get()); }

  apps::DeviceBuffer<unsigned> word_;
  CUstream release_ = nullptr;
  unsigned turn_ = 0;
};

// How often a question about the event says that it is not reached.
int NotReady(CUevent event) {
  int count = 0;
  for (int i = 0; i < kAsks; ++i) {
    count += cuEventQuery(event) == CUDA_ERROR_NOT_READY ? 1 : 0;
  }
  return count;
}

void CheckRecord(apps::Verdict& verdict) {
  Stage stage;
  verdict.ExpectCode(cuEventQuery(stage.event), CUDA_SUCCESS, "an event that nobody recorded");
  stage.Hold();
  DRIVER_CALL(cuCtxRecordEvent(stage.context, stage.event));
  verdict.Expect(NotReady(stage.event) == kAsks, "a context is not done while a stream is held");
  DRIVER_CALL(cuStreamSynchronize(nullptr));
  DRIVER_CALL(cuStreamSynchronize(stage.other));
  verdict.Expect(NotReady(stage.event) == kAsks, "other streams say nothing about the held one");
  stage.LetGo();
  DRIVER_CALL(cuEventSynchronize(stage.event));
  verdict.ExpectCode(cuStreamQuery(stage.held), CUDA_SUCCESS, "the stream behind the event");

  // An event that was asked about before, recorded elsewhere.
  DRIVER_CALL(cuStreamSynchronize(stage.held));
  stage.Hold();
  DRIVER_CALL(cuEventRecord(stage.event, stage.held));
  verdict.Expect(NotReady(stage.event) == kAsks, "a record on the held stream");
  DRIVER_CALL(cuEventRecord(stage.event, stage.other));
  DRIVER_CALL(cuEventSynchronize(stage.event));
  DRIVER_CALL(cuCtxRecordEvent(stage.context, stage.event));
  DRIVER_CALL(cuStreamSynchronize(stage.other));
  verdict.Expect(NotReady(stage.event) == kAsks, "the same event for the whole context");
  // What comes after a record is not part of it.
  stage.LetGo();
  stage.Hold();
  DRIVER_CALL(cuEventSynchronize(stage.event));
  verdict.ExpectCode(cuStreamQuery(stage.held), CUDA_ERROR_NOT_READY, "work behind the record");
  stage.LetGo();
}

// Fills are work that a program cannot see. The event sees it.
void CheckUnseenWork(apps::Verdict& verdict) {
  Stage stage;
  apps::DeviceBuffer<unsigned> cells(kCells);
  for (int round = 0; round < 50; ++round) {
    DRIVER_CALL(
        cuMemsetD32Async(reinterpret_cast<CUdeviceptr>(cells.get()), 7, kCells, stage.other));
    DRIVER_CALL(cuCtxRecordEvent(stage.context, stage.event));
    DRIVER_CALL(cuStreamSynchronize(stage.other));
    if (cuEventQuery(stage.event) != CUDA_SUCCESS) {
      verdict.Expect(false, "all work was waited for, and the event is not reached");
      break;
    }
  }
  verdict.ExpectEqual(cells.Read(), std::vector<unsigned>(kCells, 7), "fills");
}

// Whatever waits, waits: kernels by what they compute, fills by when they are waited for.
void CheckWait(apps::Verdict& verdict) {
  Stage stage;
  apps::DeviceBuffer<unsigned> cells(kCells);
  DRIVER_CALL(cuMemsetD32(reinterpret_cast<CUdeviceptr>(cells.get()), 1, kCells));
  DRIVER_CALL(cuCtxSynchronize());
  stage.Hold();
  Step<<<1, kCells, 0, reinterpret_cast<cudaStream_t>(stage.held)>>>(cells.get(), 3);
  CUDA_CALL(cudaGetLastError());
  DRIVER_CALL(cuEventRecord(stage.event, stage.held));
  std::atomic<bool> let_go{false};
  CUcontext second = nullptr;
  DRIVER_CALL(cuCtxCreate(&second, nullptr, 0, 0));
  CUstream outside = nullptr;
  DRIVER_CALL(cuStreamCreate(&outside, CU_STREAM_NON_BLOCKING));
  DRIVER_CALL(cuCtxSetCurrent(stage.context));
  DRIVER_CALL(cuCtxWaitEvent(stage.context, stage.event));
  Step<<<1, kCells, 0, reinterpret_cast<cudaStream_t>(stage.other)>>>(cells.get(), 5);
  CUDA_CALL(cudaGetLastError());
  CUstream late = nullptr;
  DRIVER_CALL(cuStreamCreate(&late, CU_STREAM_NON_BLOCKING));
  verdict.ExpectCode(cuStreamQuery(stage.other), CUDA_ERROR_NOT_READY, "a stream that waits");
  std::thread releasing([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    DRIVER_CALL(cuCtxSetCurrent(second));
    let_go.store(true);
    stage.LetGoBy(outside);
  });
  DRIVER_CALL(cuMemsetD32Async(stage.Spare(), 1, 1, late));
  DRIVER_CALL(cuStreamSynchronize(late));
  verdict.Expect(let_go.load(), "a fill on a stream made after the wait waits, too");
  releasing.join();
  DRIVER_CALL(cuStreamSynchronize(stage.other));
  std::vector<unsigned> wanted(kCells, 1);
  for (unsigned i = 0; i < kCells; ++i) {
    wanted[i] = (wanted[i] * 3 + i) * 5 + i;
  }
  verdict.ExpectEqual(cells.Read(), wanted, "kernels in the order of the wait");
  DRIVER_CALL(cuStreamDestroy(late));
  DRIVER_CALL(cuCtxSetCurrent(second));
  DRIVER_CALL(cuStreamDestroy(outside));
  DRIVER_CALL(cuCtxDestroy(second));
  DRIVER_CALL(cuCtxSetCurrent(stage.context));
}

// Graphs are made ready by one thread while another one records the context and has it wait.
void CheckBesideGraphs(apps::Verdict& verdict) {
  constexpr int kRounds = 400;
  constexpr int kNodes = 300;
  Stage stage;
  apps::DeviceBuffer<unsigned> cells(kCells);
  CUgraph graph = nullptr;
  DRIVER_CALL(cuStreamBeginCapture(stage.other, CU_STREAM_CAPTURE_MODE_RELAXED));
  for (int i = 0; i < kNodes; ++i) {
    DRIVER_CALL(
        cuMemsetD32Async(reinterpret_cast<CUdeviceptr>(cells.get()), i, kCells, stage.other));
  }
  DRIVER_CALL(cuStreamEndCapture(stage.other, &graph));
  std::atomic<bool> over{false};
  std::thread making([&] {
    DRIVER_CALL(cuCtxSetCurrent(stage.context));
    while (!over.load()) {
      CUgraphExec exec = nullptr;
      DRIVER_CALL(cuGraphInstantiate(&exec, graph, 0));
      DRIVER_CALL(cuGraphExecDestroy(exec));
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    DRIVER_CALL(cuCtxRecordEvent(stage.context, stage.event));
    DRIVER_CALL(cuCtxWaitEvent(stage.context, stage.event));
    if (i % 8 == 0) {
      DRIVER_CALL(cuEventSynchronize(stage.event));
    }
  }
  over.store(true);
  making.join();
  verdict.ExpectCode(cuCtxSynchronize(), CUDA_SUCCESS, "events beside graphs that are made ready");
  DRIVER_CALL(cuGraphDestroy(graph));
}

void CheckMistakes(apps::Verdict& verdict) {
  Stage stage;
  CUcontext second = nullptr;
  DRIVER_CALL(cuCtxCreate(&second, nullptr, 0, 0));
  CUevent elsewhere = nullptr;
  DRIVER_CALL(cuEventCreate(&elsewhere, CU_EVENT_DISABLE_TIMING));
  DRIVER_CALL(cuCtxRecordEvent(second, elsewhere));
  DRIVER_CALL(cuCtxSetCurrent(stage.context));
  verdict.ExpectCode(cuCtxRecordEvent(stage.context, elsewhere), CUDA_ERROR_INVALID_HANDLE,
                     "a record of an event of another context");
  verdict.ExpectCode(cuCtxWaitEvent(stage.context, elsewhere), CUDA_SUCCESS,
                     "a wait for an event of another context");

  DRIVER_CALL(cuStreamBeginCapture(stage.other, CU_STREAM_CAPTURE_MODE_RELAXED));
  verdict.ExpectCode(cuCtxRecordEvent(stage.context, stage.event),
                     CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a record of what is captured");
  CUgraph graph = nullptr;
  verdict.ExpectCode(cuStreamEndCapture(stage.other, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                     "the capture behind it");
  DRIVER_CALL(cuStreamBeginCapture(stage.other, CU_STREAM_CAPTURE_MODE_RELAXED));
  verdict.ExpectCode(cuCtxWaitEvent(stage.context, stage.event),
                     CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a wait of what is captured");
  verdict.ExpectCode(cuStreamEndCapture(stage.other, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                     "the capture behind that");
  DRIVER_CALL(cuCtxSetCurrent(second));
  DRIVER_CALL(cuEventDestroy(elsewhere));
  DRIVER_CALL(cuCtxDestroy(second));
  DRIVER_CALL(cuCtxSetCurrent(stage.context));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("context_events", argc, argv);
  CUDA_CALL(cudaFree(nullptr));
  CheckRecord(verdict);
  CheckUnseenWork(verdict);
  CheckWait(verdict);
  CheckBesideGraphs(verdict);
  CheckMistakes(verdict);
  return verdict.Finish();
}
