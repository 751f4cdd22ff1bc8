// SPDX-License-Identifier: Apache-2.0
// Streams recorded into graphs: forks and joins, launches again and again, updates, and everything
// that spoils a recording.
#include "tests/apps/cuda_call.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 256;
constexpr int kRounds = 5;

// The steps do not commute: the result tells their order.
__global__ void Step(unsigned* cells, unsigned factor, unsigned add) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = cells[i] * factor + (apps::kMutate && factor == 3 ? add + 1 : add);
  }
}

__global__ void Sum(unsigned* to, const unsigned* left, const unsigned* right) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    to[i] = left[i] + 7 * right[i];
  }
}

namespace {

using Cells = std::vector<unsigned>;

struct Streams {
  cudaStream_t first;
  cudaStream_t second;
  cudaEvent_t forked;
  cudaEvent_t joined;

  Streams() {
    CUDA_CALL(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
    CUDA_CALL(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
    CUDA_CALL(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming));
    CUDA_CALL(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
  }

  ~Streams() {
    CUDA_CALL(cudaStreamDestroy(first));
    CUDA_CALL(cudaStreamDestroy(second));
    CUDA_CALL(cudaEventDestroy(forked));
    CUDA_CALL(cudaEventDestroy(joined));
  }
};

struct Buffers {
  unsigned* left = apps::DeviceArray<unsigned>(kCells);
  unsigned* right = apps::DeviceArray<unsigned>(kCells);
  unsigned* sum = apps::DeviceArray<unsigned>(kCells);

  ~Buffers() {
    CUDA_CALL(cudaFree(left));
    CUDA_CALL(cudaFree(right));
    CUDA_CALL(cudaFree(sum));
  }
};

void Launch(unsigned* cells, unsigned factor, unsigned add, cudaStream_t stream) {
  Step<<<4, 64, 0, stream>>>(cells, factor, add);
  CUDA_CALL(cudaGetLastError());
}

// Two branches that start from one place and end in one sum.
cudaGraph_t Record(const Streams& streams,
                   const Buffers& buffers,
                   unsigned add,
                   cudaStreamCaptureMode mode) {
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaStreamBeginCapture(streams.first, mode));
  Launch(buffers.left, 3, add, streams.first);
  CUDA_CALL(cudaEventRecord(streams.forked, streams.first));
  CUDA_CALL(cudaStreamWaitEvent(streams.second, streams.forked, 0));
  CUDA_CALL(cudaMemcpyAsync(buffers.right, buffers.left, kCells * sizeof(unsigned),
                            cudaMemcpyDeviceToDevice, streams.second));
  Launch(buffers.right, 5, 11, streams.second);
  CUDA_CALL(cudaEventRecord(streams.joined, streams.second));
  CUDA_CALL(cudaMemsetAsync(buffers.sum, 0xff, kCells * sizeof(unsigned), streams.first));
  CUDA_CALL(cudaStreamWaitEvent(streams.first, streams.joined, 0));
  Sum<<<4, 64, 0, streams.first>>>(buffers.sum, buffers.left, buffers.right);
  CUDA_CALL(cudaStreamEndCapture(streams.first, &graph));
  return graph;
}

void OnHost(Cells& left, Cells& sum, unsigned add) {
  for (unsigned i = 0; i < kCells; ++i) {
    left[i] = left[i] * 3 + add;
    sum[i] = left[i] + 7 * (left[i] * 5 + 11);
  }
}

void CheckShape(apps::Verdict& verdict, cudaGraph_t graph) {
  size_t count = 0;
  CUDA_CALL(cudaGraphGetNodes(graph, nullptr, &count));
  verdict.Expect(count == 5, "five nodes were recorded");
  std::vector<cudaGraphNode_t> nodes(count);
  CUDA_CALL(cudaGraphGetNodes(graph, nodes.data(), &count));
  int kernels = 0;
  for (cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type;
    CUDA_CALL(cudaGraphNodeGetType(node, &type));
    kernels += type == cudaGraphNodeTypeKernel ? 1 : 0;
  }
  verdict.Expect(kernels == 3, "three of them are kernels");
  CUDA_CALL(cudaGraphGetRootNodes(graph, nullptr, &count));
  verdict.Expect(count == 1, "one of them is the first");
}

void CheckForkAndJoin(apps::Verdict& verdict,
                      apps::SeededRandom& random,
                      cudaStreamCaptureMode mode) {
  Streams streams;
  Buffers buffers;
  Cells left = random.Integers<unsigned>(kCells);
  Cells sum(kCells);
  CUDA_CALL(
      cudaMemcpy(buffers.left, left.data(), kCells * sizeof(unsigned), cudaMemcpyHostToDevice));
  cudaGraph_t graph = Record(streams, buffers, 17, mode);
  verdict.ExpectEqual(apps::HostCopy(buffers.left, kCells), left,
                      "nothing runs while it is recorded");
  CheckShape(verdict, graph);
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  for (int round = 0; round < kRounds; ++round) {
    CUDA_CALL(cudaGraphLaunch(exec, streams.second));
    OnHost(left, sum, 17);
  }
  CUDA_CALL(cudaStreamSynchronize(streams.second));
  verdict.ExpectEqual(apps::HostCopy(buffers.left, kCells), left, "the graph's first branch");
  verdict.ExpectEqual(apps::HostCopy(buffers.sum, kCells), sum, "the graph's join");

  // The same shape with another number: what was made ready takes it over.
  cudaGraph_t other = Record(streams, buffers, 23, mode);
  cudaGraphExecUpdateResultInfo info;
  CUDA_CALL(cudaGraphExecUpdate(exec, other, &info));
  CUDA_CALL(cudaGraphDestroy(other));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaGraphLaunch(exec, streams.first));
  OnHost(left, sum, 23);
  CUDA_CALL(cudaStreamSynchronize(streams.first));
  verdict.ExpectEqual(apps::HostCopy(buffers.sum, kCells), sum, "the updated graph");
  CUDA_CALL(cudaGraphExecDestroy(exec));
}

// Whether a call is refused so; the runtime forgets it.
bool IsRefused(cudaError_t given, cudaError_t wanted) {
  static_cast<void>(cudaGetLastError());
  return given == wanted;
}

void CheckUpdateOfAnotherShape(apps::Verdict& verdict) {
  Streams streams;
  Buffers buffers;
  cudaGraph_t graph = Record(streams, buffers, 1, cudaStreamCaptureModeRelaxed);
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  cudaGraph_t shorter = nullptr;
  CUDA_CALL(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeRelaxed));
  Launch(buffers.left, 3, 1, streams.first);
  CUDA_CALL(cudaStreamEndCapture(streams.first, &shorter));
  cudaGraphExecUpdateResultInfo info;
  verdict.Expect(
      IsRefused(cudaGraphExecUpdate(exec, shorter, &info), cudaErrorGraphExecUpdateFailure),
      "a graph of another shape is refused");
  verdict.Expect(info.result != cudaGraphExecUpdateSuccess, "and the reason is told");
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaGraphDestroy(shorter));
}

// A graph that records an event for those outside of it.
void CheckExternalEvent(apps::Verdict& verdict, apps::SeededRandom& random) {
  Streams streams;
  Buffers buffers;
  Cells left = random.Integers<unsigned>(kCells);
  CUDA_CALL(
      cudaMemcpy(buffers.left, left.data(), kCells * sizeof(unsigned), cudaMemcpyHostToDevice));
  CUDA_CALL(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeGlobal));
  Launch(buffers.left, 9, 2, streams.first);
  CUDA_CALL(cudaEventRecordWithFlags(streams.joined, streams.first, cudaEventRecordExternal));
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaStreamEndCapture(streams.first, &graph));
  size_t count = 0;
  CUDA_CALL(cudaGraphGetNodes(graph, nullptr, &count));
  verdict.Expect(count == 2, "a kernel and an event are two nodes");
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  for (int round = 0; round < 2; ++round) {
    CUDA_CALL(cudaGraphLaunch(exec, streams.second));
    for (unsigned& cell : left) {
      cell = cell * 9 + 2;
    }
    CUDA_CALL(cudaEventSynchronize(streams.joined));
    verdict.ExpectEqual(apps::HostCopy(buffers.left, kCells), left, "a graph with an event");
  }
  CUDA_CALL(cudaStreamSynchronize(streams.second));
  CUDA_CALL(cudaEventQuery(streams.joined));
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
}

cudaStreamCaptureStatus StatusOf(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CUDA_CALL(cudaStreamIsCapturing(stream, &status));
  return status;
}

// What spoils a recording, and what ends it the wrong way.
// The runtime waits for what is under way before it lets pinned memory go.
void CheckFreedTarget(apps::Verdict& verdict) {
  const Streams streams;
  const Buffers buffers;
  for (int round = 0; round < kRounds; ++round) {
    unsigned* pinned = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
    CUDA_CALL(cudaMallocHost(&pinned, kCells * sizeof(unsigned)));
    CUDA_CALL(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeGlobal));
    Launch(buffers.left, 3, 1, streams.first);
    CUDA_CALL(cudaMemcpyAsync(pinned, buffers.left, kCells * sizeof(unsigned),
                              cudaMemcpyDeviceToHost, streams.first));
    CUDA_CALL(cudaStreamEndCapture(streams.first, &graph));
    CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
    CUDA_CALL(cudaGraphLaunch(exec, streams.first));
    CUDA_CALL(cudaFreeHost(pinned));
    CUDA_CALL(cudaGraphExecDestroy(exec));
    CUDA_CALL(cudaGraphDestroy(graph));
  }
  verdict.ExpectCode(cudaStreamSynchronize(streams.first), cudaSuccess, "work into freed memory");
}

void CheckRefusals(apps::Verdict& verdict) {
  Streams streams;
  Buffers buffers;
  cudaGraph_t graph = nullptr;
  verdict.Expect(StatusOf(streams.first) == cudaStreamCaptureStatusNone, "nothing is recorded yet");
  CUDA_CALL(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeGlobal));
  verdict.Expect(StatusOf(streams.first) == cudaStreamCaptureStatusActive, "it is recorded");
  Launch(buffers.left, 3, 1, streams.first);
  verdict.Expect(IsRefused(cudaStreamSynchronize(streams.first), cudaErrorStreamCaptureUnsupported),
                 "a recorded stream cannot be waited for");
  verdict.Expect(StatusOf(streams.first) == cudaStreamCaptureStatusInvalidated,
                 "that spoils the recording");
  verdict.Expect(
      IsRefused(cudaStreamEndCapture(streams.first, &graph), cudaErrorStreamCaptureInvalidated),
      "a spoiled recording gives no graph");
  verdict.Expect(StatusOf(streams.first) == cudaStreamCaptureStatusNone, "but it is over");

  CUDA_CALL(cudaStreamBeginCapture(streams.first, cudaStreamCaptureModeGlobal));
  CUDA_CALL(cudaEventRecord(streams.forked, streams.first));
  CUDA_CALL(cudaStreamWaitEvent(streams.second, streams.forked, 0));
  Launch(buffers.left, 3, 1, streams.second);
  verdict.Expect(
      IsRefused(cudaStreamEndCapture(streams.first, &graph), cudaErrorStreamCaptureUnjoined),
      "a branch that nobody waits for is refused");
  verdict.Expect(StatusOf(streams.second) == cudaStreamCaptureStatusNone, "the branch is over too");
  verdict.Expect(IsRefused(cudaStreamEndCapture(streams.first, &graph), cudaErrorIllegalState),
                 "what is over cannot be ended");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("graph_capture", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckForkAndJoin(verdict, random, cudaStreamCaptureModeGlobal);
  CheckForkAndJoin(verdict, random, cudaStreamCaptureModeThreadLocal);
  CheckForkAndJoin(verdict, random, cudaStreamCaptureModeRelaxed);
  CheckUpdateOfAnotherShape(verdict);
  CheckExternalEvent(verdict, random);
  CheckFreedTarget(verdict);
  CheckRefusals(verdict);
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
