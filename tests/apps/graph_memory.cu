// SPDX-License-Identifier: Apache-2.0
// Memory that graphs allocate and free, in each launch again: by nodes of their own, by recorded
// cudaMallocAsync, kept for the program, freed by another graph, by the program, or by the next
// launch.
#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 1024;

__global__ void Store(unsigned* to, unsigned factor) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] = i * factor + (apps::kMutate && i == 7 ? 1 : 0);
}

__global__ void Add(unsigned* to, const unsigned* from) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  to[i] += from[i];
}

namespace {

using Cells = std::vector<unsigned>;
using Buffer = apps::DeviceBuffer<unsigned>;

constexpr size_t kBytes = kCells * sizeof(unsigned);

// Whether a call is refused; the runtime forgets it.
bool IsRefused(cudaError_t given) {
  static_cast<void>(cudaGetLastError());
  return given != cudaSuccess;
}

bool IsRefused(cudaError_t given, cudaError_t wanted) {
  static_cast<void>(cudaGetLastError());
  return given == wanted;
}

Cells Wanted(unsigned factor) {
  Cells cells(kCells);
  for (unsigned i = 0; i < kCells; ++i) {
    cells[i] = i * factor;
  }
  return cells;
}

cudaMemAllocNodeParams Memory(size_t bytes) {
  cudaMemAllocNodeParams params = {};
  params.poolProps.allocType = cudaMemAllocationTypePinned;
  params.poolProps.location.type = cudaMemLocationTypeDevice;
  params.poolProps.location.id = 0;
  params.bytesize = bytes;
  return params;
}

cudaGraphNode_t AddAlloc(cudaGraph_t graph,
                         std::vector<cudaGraphNode_t> after,
                         size_t bytes,
                         unsigned** address) {
  cudaGraphNode_t node = nullptr;
  cudaMemAllocNodeParams params = Memory(bytes);
  CUDA_CALL(cudaGraphAddMemAllocNode(&node, graph, after.data(), after.size(), &params));
  *address = static_cast<unsigned*>(params.dptr);
  return node;
}

cudaGraphNode_t AddFree(cudaGraph_t graph, cudaGraphNode_t after, unsigned* address) {
  cudaGraphNode_t node = nullptr;
  CUDA_CALL(cudaGraphAddMemFreeNode(&node, graph, &after, 1, address));
  return node;
}

cudaGraphNode_t AddStore(cudaGraph_t graph, cudaGraphNode_t after, unsigned* to, unsigned factor) {
  void* arguments[] = {&to, &factor};
  cudaKernelNodeParams params = {};
  params.func = reinterpret_cast<void*>(&Store);
  params.gridDim = dim3(kCells / 256);
  params.blockDim = dim3(256);
  params.kernelParams = arguments;
  cudaGraphNode_t node = nullptr;
  CUDA_CALL(cudaGraphAddKernelNode(&node, graph, &after, 1, &params));
  return node;
}

cudaGraphNode_t AddCopy(cudaGraph_t graph, cudaGraphNode_t after, void* to, const void* from) {
  cudaGraphNode_t node = nullptr;
  CUDA_CALL(cudaGraphAddMemcpyNode1D(&node, graph, &after, 1, to, from, kBytes, cudaMemcpyDefault));
  return node;
}

cudaGraphExec_t Ready(cudaGraph_t graph, unsigned long long flags = 0) {
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiateWithFlags(&exec, graph, flags));
  return exec;
}

void Launch(cudaGraphExec_t exec) {
  CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
}

void Wait() {
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
}

size_t Attribute(cudaGraphMemAttributeType type) {
  size_t value = 0;
  CUDA_CALL(cudaDeviceGetGraphMemAttribute(0, type, &value));
  return value;
}

// A graph that leaves its memory to the program.
struct Unfreed {
  cudaGraph_t graph = nullptr;
  unsigned* address = nullptr;
  cudaGraphNode_t alloc = nullptr;

  Unfreed() {
    CUDA_CALL(cudaGraphCreate(&graph, 0));
    alloc = AddAlloc(graph, {}, kBytes, &address);
    AddStore(graph, alloc, address, 5);
  }

  Unfreed(const Unfreed&) = delete;
  Unfreed& operator=(const Unfreed&) = delete;

  ~Unfreed() { CUDA_CALL(cudaGraphDestroy(graph)); }
};

// ---- inside one graph ---------------------------------------------------------------------------

void CheckNodes(apps::Verdict& verdict) {
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaGraphCreate(&graph, 0));
  Buffer out(kCells);
  Buffer other_out(kCells);
  unsigned* first = nullptr;
  unsigned* second = nullptr;
  const cudaGraphNode_t alloc = AddAlloc(graph, {}, kBytes, &first);
  const cudaGraphNode_t stored = AddStore(graph, alloc, first, 3);
  const cudaGraphNode_t copied = AddCopy(graph, stored, out.get(), first);
  const cudaGraphNode_t freed = AddFree(graph, copied, first);
  // Behind what was freed: it may be the same memory.
  const cudaGraphNode_t again = AddAlloc(graph, {freed}, kBytes, &second);
  const cudaGraphNode_t other = AddStore(graph, again, second, 7);
  AddFree(graph, AddCopy(graph, other, other_out.get(), second), second);
  cudaMemAllocNodeParams told = {};
  CUDA_CALL(cudaGraphMemAllocNodeGetParams(alloc, &told));
  verdict.Expect(told.dptr == first && told.bytesize == kBytes, "an allocation is told");
  void* told_free = nullptr;
  CUDA_CALL(cudaGraphMemFreeNodeGetParams(freed, &told_free));
  verdict.Expect(told_free == first, "and what a node frees");
  cudaGraphNode_t node = nullptr;
  verdict.Expect(IsRefused(cudaGraphAddMemFreeNode(&node, graph, &freed, 1, out.get())),
                 "memory of no graph is not freed by a node");
  cudaGraphExec_t exec = Ready(graph);
  for (int round = 0; round < 3; ++round) {
    out.Fill(0);
    other_out.Fill(0);
    Launch(exec);
    Wait();
    verdict.ExpectEqual(out.Read(), Wanted(3), "memory of a graph");
    verdict.ExpectEqual(other_out.Read(), Wanted(7), "and what comes after it");
  }
  verdict.Expect(Attribute(cudaGraphMemAttrUsedMemCurrent) >= kBytes, "what ran has used memory");
  CUDA_CALL(cudaDeviceGraphMemTrim(0));
  verdict.Expect(Attribute(cudaGraphMemAttrUsedMemCurrent) == 0, "nothing is left in use");
  verdict.Expect(Attribute(cudaGraphMemAttrUsedMemHigh) >= kBytes, "but something was");
  // There is one of its memory.
  cudaGraph_t clone = nullptr;
  verdict.Expect(IsRefused(cudaGraphClone(&clone, graph)), "it cannot be copied");
  verdict.Expect(IsRefused(cudaGraphDestroyNode(stored)), "nor taken apart");
  verdict.Expect(IsRefused(cudaGraphRemoveDependencies(graph, &alloc, &stored, nullptr, 1)),
                 "not even its edges");
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
}

// Allocations that a stream records, on two branches.
void CheckRecorded(apps::Verdict& verdict) {
  cudaStream_t first = nullptr;
  cudaStream_t second = nullptr;
  cudaEvent_t forked = nullptr;
  cudaEvent_t joined = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking));
  CUDA_CALL(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming));
  CUDA_CALL(cudaEventCreateWithFlags(&joined, cudaEventDisableTiming));
  Buffer out(kCells);
  unsigned* left = nullptr;
  unsigned* right = nullptr;
  CUDA_CALL(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal));
  CUDA_CALL(cudaMallocAsync(&left, kBytes, first));
  CUDA_CALL(cudaMallocAsync(&right, kBytes, first));
  CUDA_CALL(cudaEventRecord(forked, first));
  CUDA_CALL(cudaStreamWaitEvent(second, forked, 0));
  Store<<<kCells / 256, 256, 0, first>>>(left, 2);
  Store<<<kCells / 256, 256, 0, second>>>(right, 9);
  CUDA_CALL(cudaEventRecord(joined, second));
  CUDA_CALL(cudaStreamWaitEvent(first, joined, 0));
  CUDA_CALL(cudaStreamDestroy(second));  // it has done its part
  Add<<<kCells / 256, 256, 0, first>>>(left, right);
  CUDA_CALL(cudaFreeAsync(right, first));
  CUDA_CALL(cudaMemcpyAsync(out.get(), left, kBytes, cudaMemcpyDeviceToDevice, first));
  CUDA_CALL(cudaFreeAsync(left, first));
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaStreamEndCapture(first, &graph));
  size_t count = 0;
  CUDA_CALL(cudaGraphGetNodes(graph, nullptr, &count));
  verdict.Expect(count == 8, "allocations and frees are nodes");
  verdict.Expect(left != nullptr && right != nullptr && left != right, "of different memory");
  cudaGraphExec_t exec = Ready(graph);
  for (int round = 0; round < 3; ++round) {
    out.Fill(0);
    CUDA_CALL(cudaGraphLaunch(exec, first));
    CUDA_CALL(cudaStreamSynchronize(first));
    verdict.ExpectEqual(out.Read(), Wanted(11), "recorded allocations");
  }
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaStreamDestroy(first));
  CUDA_CALL(cudaEventDestroy(forked));
  CUDA_CALL(cudaEventDestroy(joined));
}

// ---- past the launch ----------------------------------------------------------------------------

void CheckUnfreed(apps::Verdict& verdict) {
  Unfreed own;
  cudaGraphExec_t exec = Ready(own.graph);
  for (int round = 0; round < 3; ++round) {
    Launch(exec);
    Wait();
    CUDA_CALL(cudaDeviceGraphMemTrim(0));
    verdict.Expect(Attribute(cudaGraphMemAttrUsedMemCurrent) >= kBytes, "memory is in use");
    verdict.ExpectEqual(apps::HostCopy(own.address, kCells), Wanted(5), "memory that a graph left");
    verdict.Expect(IsRefused(cudaGraphLaunch(exec, cudaStreamPerThread), cudaErrorInvalidValue),
                   "it is not allocated twice");
    if (round == 0) {
      CUDA_CALL(cudaFreeAsync(own.address, cudaStreamPerThread));
    } else {
      CUDA_CALL(cudaFree(own.address));
    }
    verdict.Expect(IsRefused(cudaFree(own.address), cudaErrorInvalidValue), "nor freed twice");
  }
  CUDA_CALL(cudaGraphExecDestroy(exec));

  // The next launch frees.
  exec = Ready(own.graph, cudaGraphInstantiateFlagAutoFreeOnLaunch);
  for (int round = 0; round < 3; ++round) {
    Launch(exec);
  }
  Wait();
  verdict.ExpectEqual(apps::HostCopy(own.address, kCells), Wanted(5), "freed by the next launch");

  // Another graph frees.
  cudaGraph_t freeing = nullptr;
  CUDA_CALL(cudaGraphCreate(&freeing, 0));
  cudaGraphNode_t node = nullptr;
  CUDA_CALL(cudaGraphAddMemFreeNode(&node, freeing, nullptr, 0, own.address));
  verdict.Expect(IsRefused(cudaGraphAddMemFreeNode(&node, freeing, &node, 1, own.address)),
                 "a graph frees once");
  cudaGraphExec_t exec_freeing = Ready(freeing);
  Launch(exec_freeing);
  Wait();
  CUDA_CALL(cudaDeviceGraphMemTrim(0));
  verdict.Expect(Attribute(cudaGraphMemAttrUsedMemCurrent) == 0, "freed by another graph");
  CUDA_CALL(cudaGraphExecDestroy(exec_freeing));
  CUDA_CALL(cudaGraphDestroy(freeing));

  // The program keeps it longer than any graph.
  Launch(exec);
  CUDA_CALL(cudaGraphExecDestroy(exec));
  Wait();
  verdict.ExpectEqual(apps::HostCopy(own.address, kCells), Wanted(5), "without what allocated it");
  CUDA_CALL(cudaFree(own.address));
}

void CheckAccounts(apps::Verdict& verdict) {
  constexpr size_t kMuch = size_t{64} << 20;
  size_t free_before = 0;
  size_t free_after = 0;
  size_t total = 0;
  CUDA_CALL(cudaMemGetInfo(&free_before, &total));
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaGraphCreate(&graph, 0));
  unsigned* address = nullptr;
  AddAlloc(graph, {}, kMuch, &address);
  cudaGraphExec_t exec = Ready(graph);
  Launch(exec);
  Wait();
  CUDA_CALL(cudaMemGetInfo(&free_after, &total));
  verdict.Expect(free_after + kMuch <= free_before, "memory of graphs is counted");
  verdict.Expect(Attribute(cudaGraphMemAttrReservedMemCurrent) >= kMuch, "as theirs");
  CUDA_CALL(cudaFree(address));
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaGraphDestroy(graph));
  CUDA_CALL(cudaDeviceGraphMemTrim(0));
  verdict.Expect(Attribute(cudaGraphMemAttrReservedMemCurrent) < kMuch, "and goes with them");
  size_t zero = 0;
  CUDA_CALL(cudaDeviceSetGraphMemAttribute(0, cudaGraphMemAttrReservedMemHigh, &zero));
  verdict.Expect(Attribute(cudaGraphMemAttrReservedMemHigh) < kMuch, "a high mark is forgotten");
  size_t one = 1;
  verdict.Expect(IsRefused(cudaDeviceSetGraphMemAttribute(0, cudaGraphMemAttrUsedMemHigh, &one),
                           cudaErrorInvalidValue),
                 "and cannot be invented");
}

// More than the device has, one after another.
void CheckNothingIsLost(apps::Verdict& verdict) {
  size_t free_bytes = 0;
  size_t total = 0;
  CUDA_CALL(cudaMemGetInfo(&free_bytes, &total));
  const size_t each = total / 4;
  for (int round = 0; round < 10; ++round) {
    cudaGraph_t graph = nullptr;
    CUDA_CALL(cudaGraphCreate(&graph, 0));
    unsigned* address = nullptr;
    const cudaGraphNode_t alloc = AddAlloc(graph, {}, each, &address);
    AddFree(graph, AddStore(graph, alloc, address, 1), address);
    cudaGraphExec_t exec = Ready(graph);
    CUDA_CALL(cudaGraphDestroy(graph));
    Launch(exec);
    Wait();
    CUDA_CALL(cudaGraphExecDestroy(exec));
    CUDA_CALL(cudaDeviceGraphMemTrim(0));
  }
  verdict.Expect(Attribute(cudaGraphMemAttrReservedMemCurrent) < each, "all memory came back");
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaGraphCreate(&graph, 0));
  cudaGraphNode_t node = nullptr;
  cudaMemAllocNodeParams none = Memory(0);
  verdict.Expect(
      IsRefused(cudaGraphAddMemAllocNode(&node, graph, nullptr, 0, &none), cudaErrorInvalidValue),
      "nothing is not allocated");
  CUDA_CALL(cudaGraphDestroy(graph));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("graph_memory", argc, argv);
  CheckNodes(verdict);
  CheckRecorded(verdict);
  CheckUnfreed(verdict);
  CheckAccounts(verdict);
  CheckNothingIsLost(verdict);
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
