// SPDX-License-Identifier: Apache-2.0
// Graphs that a program builds node by node: copies, fills, kernels, functions of its own and
// events; what nodes do asked back, and changed in the graph and in what is ready to run.
#include <algorithm>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 512;

// The steps do not commute: the result tells their order.
__global__ void Step(unsigned* cells, unsigned factor, unsigned char small, unsigned add) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < kCells) {
    cells[i] = cells[i] * factor + (apps::kMutate && i == 7 ? 1 : 0) + small + add;
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
using Buffer = apps::DeviceBuffer<unsigned>;

constexpr size_t kBytes = kCells * sizeof(unsigned);

// Whether a call is refused so; the runtime forgets it.
bool IsRefused(cudaError_t given, cudaError_t wanted) {
  static_cast<void>(cudaGetLastError());
  return given == wanted;
}

// A graph with its handles, gone with its scope.
struct OwnGraph {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;

  OwnGraph() { CUDA_CALL(cudaGraphCreate(&graph, 0)); }

  explicit OwnGraph(cudaGraph_t recorded) : graph(recorded) {}

  OwnGraph(const OwnGraph&) = delete;
  OwnGraph& operator=(const OwnGraph&) = delete;

  ~OwnGraph() {
    if (exec != nullptr) {
      CUDA_CALL(cudaGraphExecDestroy(exec));
    }
    CUDA_CALL(cudaGraphDestroy(graph));
  }

  void MakeReady() { CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0)); }

  void Run() {
    CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
    CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  }
};

// The arguments of Step, for as long as somebody points to them.
struct StepCall {
  unsigned* cells;
  unsigned factor;
  unsigned char small;
  unsigned add;
  void* arguments[4] = {&cells, &factor, &small, &add};

  cudaKernelNodeParams Params() {
    cudaKernelNodeParams params = {};
    params.func = reinterpret_cast<void*>(&Step);
    params.gridDim = dim3(4);
    params.blockDim = dim3(kCells / 4);
    params.kernelParams = arguments;
    return params;
  }

  void OnHost(Cells& all) const {
    for (unsigned& cell : all) {
      cell = cell * factor + small + add;
    }
  }
};

cudaGraphNode_t AddStep(cudaGraph_t graph, std::vector<cudaGraphNode_t> after, StepCall call) {
  cudaGraphNode_t node = nullptr;
  const cudaKernelNodeParams params = call.Params();
  CUDA_CALL(cudaGraphAddKernelNode(&node, graph, after.data(), after.size(), &params));
  return node;
}

cudaGraphNode_t AddCopy(cudaGraph_t graph,
                        std::vector<cudaGraphNode_t> after,
                        void* to,
                        const void* from,
                        cudaMemcpyKind kind) {
  cudaGraphNode_t node = nullptr;
  CUDA_CALL(
      cudaGraphAddMemcpyNode1D(&node, graph, after.data(), after.size(), to, from, kBytes, kind));
  return node;
}

cudaMemsetParams Fill(unsigned* cells, unsigned value) {
  cudaMemsetParams params = {};
  params.dst = cells;
  params.elementSize = sizeof(unsigned);
  params.value = value;
  params.width = kCells;
  params.height = 1;
  return params;
}

void CountCall(void* data) {
  ++*static_cast<int*>(data);
}

// ---- a whole graph ------------------------------------------------------------------------------

// In from the host, two branches, a join, out to the host, a function, an event.
void CheckAllKinds(apps::Verdict& verdict, apps::SeededRandom& random) {
  Buffer left(kCells);
  Buffer right(kCells);
  Buffer sum(kCells);
  Cells in(kCells);
  Cells out(kCells);
  int calls = 0;
  cudaEvent_t done = nullptr;
  CUDA_CALL(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
  OwnGraph own;
  const cudaGraphNode_t fetched =
      AddCopy(own.graph, {}, left.get(), in.data(), cudaMemcpyHostToDevice);
  const cudaGraphNode_t first = AddStep(own.graph, {fetched}, {left.get(), 3, 200, 11});
  cudaGraphNode_t filled = nullptr;
  const cudaMemsetParams fill = Fill(right.get(), 0x01020304);
  CUDA_CALL(cudaGraphAddMemsetNode(&filled, own.graph, nullptr, 0, &fill));
  const cudaGraphNode_t second = AddStep(own.graph, {filled}, {right.get(), 5, 1, 2});
  cudaGraphNode_t joined = nullptr;
  const cudaGraphNode_t both[] = {first, second};
  CUDA_CALL(cudaGraphAddEmptyNode(&joined, own.graph, both, 2));
  void* addresses[3];
  unsigned* cells[] = {sum.get(), left.get(), right.get()};
  for (int i = 0; i < 3; ++i) {
    addresses[i] = &cells[i];
  }
  cudaKernelNodeParams add = {};
  add.func = reinterpret_cast<void*>(&Sum);
  add.gridDim = dim3(2);
  add.blockDim = dim3(kCells / 2);
  add.kernelParams = addresses;
  cudaGraphNode_t added = nullptr;
  CUDA_CALL(cudaGraphAddKernelNode(&added, own.graph, &joined, 1, &add));
  const cudaGraphNode_t stored =
      AddCopy(own.graph, {added}, out.data(), sum.get(), cudaMemcpyDeviceToHost);
  const cudaHostNodeParams host = {CountCall, &calls};
  cudaGraphNode_t called = nullptr;
  CUDA_CALL(cudaGraphAddHostNode(&called, own.graph, &stored, 1, &host));
  cudaGraphNode_t recorded = nullptr;
  CUDA_CALL(cudaGraphAddEventRecordNode(&recorded, own.graph, &called, 1, done));
  size_t count = 0;
  CUDA_CALL(cudaGraphGetNodes(own.graph, nullptr, &count));
  verdict.Expect(count == 9, "nine nodes were added");
  own.MakeReady();
  for (int round = 0; round < 3; ++round) {
    const Cells fresh = random.Integers<unsigned>(kCells);
    std::copy(fresh.begin(), fresh.end(), in.begin());
    CUDA_CALL(cudaGraphLaunch(own.exec, cudaStreamPerThread));
    CUDA_CALL(cudaEventSynchronize(done));
    Cells wanted = in;
    StepCall{nullptr, 3, 200, 11}.OnHost(wanted);
    for (unsigned& cell : wanted) {
      cell += 7 * (0x01020304u * 5 + 3);
    }
    verdict.ExpectEqual(out, wanted, "a graph of all kinds of nodes");
    verdict.Expect(calls == round + 1, "its function ran once in each launch");
  }
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  CUDA_CALL(cudaEventDestroy(done));
}

// A graph that waits for an event of work outside of it, and one that follows it by such an event.
void CheckEvents(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  cudaStream_t other = nullptr;
  cudaEvent_t event = nullptr;
  cudaEvent_t unused = nullptr;
  CUDA_CALL(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  CUDA_CALL(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  CUDA_CALL(cudaEventCreateWithFlags(&unused, cudaEventDisableTiming));
  OwnGraph own;
  cudaGraphNode_t waits = nullptr;
  CUDA_CALL(cudaGraphAddEventWaitNode(&waits, own.graph, nullptr, 0, unused));
  AddStep(own.graph, {waits}, {cells.get(), 2, 3, 0});
  CUDA_CALL(cudaGraphEventWaitNodeSetEvent(waits, event));
  cudaEvent_t told = nullptr;
  CUDA_CALL(cudaGraphEventWaitNodeGetEvent(waits, &told));
  verdict.Expect(told == event, "the event that a node waits for is told");
  verdict.Expect(IsRefused(cudaGraphEventRecordNodeGetEvent(waits, &told), cudaErrorInvalidValue),
                 "a node that waits records nothing");
  own.MakeReady();
  for (unsigned round = 0; round < 4; ++round) {
    Step<<<4, kCells / 4, 0, other>>>(cells.get(), 5, 1, round);
    CUDA_CALL(cudaEventRecord(event, other));
    own.Run();
  }
  Cells wanted(kCells, 1);
  for (unsigned round = 0; round < 4; ++round) {
    StepCall{nullptr, 5, 1, round}.OnHost(wanted);
    StepCall{nullptr, 2, 3, 0}.OnHost(wanted);
  }
  verdict.ExpectEqual(cells.Read(), wanted, "a graph that waits for an event");
  CUDA_CALL(cudaStreamDestroy(other));
  CUDA_CALL(cudaEventDestroy(event));
  CUDA_CALL(cudaEventDestroy(unused));
}

// ---- asked back, and changed --------------------------------------------------------------------

void CheckKernelParams(apps::Verdict& verdict, cudaGraphNode_t node, const StepCall& wanted) {
  cudaKernelNodeParams params = {};
  CUDA_CALL(cudaGraphKernelNodeGetParams(node, &params));
  verdict.Expect(params.func == reinterpret_cast<void*>(&Step), "the kernel is told");
  verdict.Expect(params.gridDim.x == 4 && params.blockDim.x == kCells / 4, "and its shape");
  verdict.Expect(params.kernelParams != nullptr &&
                     *static_cast<unsigned**>(params.kernelParams[0]) == wanted.cells &&
                     *static_cast<unsigned*>(params.kernelParams[1]) == wanted.factor &&
                     *static_cast<unsigned char*>(params.kernelParams[2]) == wanted.small &&
                     *static_cast<unsigned*>(params.kernelParams[3]) == wanted.add,
                 "and its arguments");
}

// As inference programs do: record, change the kernels' arguments, update what is ready.
void CheckRecordedParams(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 2));
  Cells out(kCells);
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaStreamBeginCapture(cudaStreamPerThread, cudaStreamCaptureModeRelaxed));
  Step<<<4, kCells / 4, 0, cudaStreamPerThread>>>(cells.get(), 3, 5, 17);
  CUDA_CALL(cudaMemsetAsync(cells.get(), 0x11, 16, cudaStreamPerThread));
  CUDA_CALL(cudaMemcpyAsync(out.data(), cells.get(), kBytes, cudaMemcpyDeviceToHost,
                            cudaStreamPerThread));
  CUDA_CALL(cudaStreamEndCapture(cudaStreamPerThread, &graph));
  OwnGraph own(graph);
  cudaGraphNode_t nodes[3];
  size_t count = 3;
  CUDA_CALL(cudaGraphGetNodes(graph, nodes, &count));
  CheckKernelParams(verdict, nodes[0], {cells.get(), 3, 5, 17});
  cudaMemsetParams fill = {};
  CUDA_CALL(cudaGraphMemsetNodeGetParams(nodes[1], &fill));
  verdict.Expect(fill.dst == cells.get() && fill.value == 0x11 && fill.elementSize == 1 &&
                     fill.width == 16 && fill.height == 1,
                 "what a recorded fill does is told");
  cudaMemcpy3DParms copy = {};
  CUDA_CALL(cudaGraphMemcpyNodeGetParams(nodes[2], &copy));
  verdict.Expect(copy.dstPtr.ptr == out.data() && copy.srcPtr.ptr == cells.get() &&
                     copy.extent.width == kBytes && copy.extent.height == 1 &&
                     copy.extent.depth == 1 && copy.kind == cudaMemcpyDeviceToHost,
                 "what a recorded copy does is told");
  verdict.Expect(IsRefused(cudaGraphMemsetNodeGetParams(nodes[0], &fill), cudaErrorInvalidValue),
                 "a kernel is no fill");
  own.MakeReady();
  own.Run();
  Cells wanted(kCells, 2);
  for (unsigned round = 0; round < 3; ++round) {
    StepCall{nullptr, round == 0 ? 3u : 4u, 5, round == 0 ? 17u : round}.OnHost(wanted);
    std::fill_n(wanted.begin(), 4, 0x11111111u);
    verdict.ExpectEqual(out, wanted, "a recorded graph whose kernel is changed");
    StepCall next{cells.get(), 4, 5, round + 1};
    const cudaKernelNodeParams params = next.Params();
    CUDA_CALL(cudaGraphKernelNodeSetParams(nodes[0], &params));
    cudaGraphExecUpdateResultInfo info;
    CUDA_CALL(cudaGraphExecUpdate(own.exec, graph, &info));
    own.Run();
  }
}

void CheckExecParams(apps::Verdict& verdict, apps::SeededRandom& random) {
  Buffer cells(kCells);
  Buffer others(Cells(kCells, 9));
  Cells in = random.Integers<unsigned>(kCells);
  Cells other_in = random.Integers<unsigned>(kCells);
  int calls = 0;
  int other_calls = 0;
  OwnGraph own;
  const cudaGraphNode_t fetched =
      AddCopy(own.graph, {}, cells.get(), in.data(), cudaMemcpyHostToDevice);
  const cudaGraphNode_t step = AddStep(own.graph, {fetched}, {cells.get(), 3, 1, 0});
  cudaGraphNode_t filled = nullptr;
  cudaMemsetParams fill = Fill(others.get(), 5);
  CUDA_CALL(cudaGraphAddMemsetNode(&filled, own.graph, nullptr, 0, &fill));
  cudaHostNodeParams host = {CountCall, &calls};
  cudaGraphNode_t called = nullptr;
  CUDA_CALL(cudaGraphAddHostNode(&called, own.graph, &filled, 1, &host));
  own.MakeReady();
  StepCall next{cells.get(), 7, 2, 40};
  const cudaKernelNodeParams params = next.Params();
  CUDA_CALL(cudaGraphExecKernelNodeSetParams(own.exec, step, &params));
  CUDA_CALL(cudaGraphExecMemcpyNodeSetParams1D(own.exec, fetched, cells.get(), other_in.data(),
                                               kBytes, cudaMemcpyHostToDevice));
  fill = Fill(others.get(), 6);
  CUDA_CALL(cudaGraphExecMemsetNodeSetParams(own.exec, filled, &fill));
  host.userData = &other_calls;
  CUDA_CALL(cudaGraphExecHostNodeSetParams(own.exec, called, &host));
  verdict.Expect(
      IsRefused(cudaGraphExecMemcpyNodeSetParams1D(own.exec, fetched, other_in.data(), cells.get(),
                                                   kBytes, cudaMemcpyDeviceToHost),
                cudaErrorInvalidValue),
      "a copy that is ready keeps its direction");
  verdict.Expect(
      IsRefused(cudaGraphExecMemsetNodeSetParams(own.exec, step, &fill), cudaErrorInvalidValue),
      "a kernel does not become a fill");
  CheckKernelParams(verdict, step, {cells.get(), 3, 1, 0});
  own.Run();
  Cells wanted = other_in;
  next.OnHost(wanted);
  verdict.ExpectEqual(cells.Read(), wanted, "what is ready was changed");
  verdict.ExpectEqual(others.Read(), Cells(kCells, 6), "and its fill");
  verdict.Expect(calls == 0 && other_calls == 1, "and its function");

  // Left out, and put in again.
  unsigned enabled = 7;
  CUDA_CALL(cudaGraphNodeSetEnabled(own.exec, step, 0));
  CUDA_CALL(cudaGraphNodeGetEnabled(own.exec, step, &enabled));
  verdict.Expect(enabled == 0, "that a node is left out is told");
  verdict.Expect(IsRefused(cudaGraphNodeSetEnabled(own.exec, called, 0), cudaErrorInvalidValue),
                 "a function cannot be left out");
  own.Run();
  verdict.ExpectEqual(cells.Read(), other_in, "a kernel that is left out does nothing");
  CUDA_CALL(cudaGraphNodeSetEnabled(own.exec, step, 1));
  CUDA_CALL(cudaGraphNodeSetEnabled(own.exec, fetched, 0));
  own.Run();
  verdict.ExpectEqual(cells.Read(), wanted, "a kernel that is put in again, without the copy");

  // The graph itself still has what it had.
  OwnGraph again(nullptr);
  CUDA_CALL(cudaGraphClone(&again.graph, own.graph));
  again.MakeReady();
  again.Run();
  wanted = in;
  StepCall{nullptr, 3, 1, 0}.OnHost(wanted);
  verdict.ExpectEqual(cells.Read(), wanted, "the graph was not changed");
  verdict.Expect(calls == 1, "nor its function");
}

// The same by the calls that take any kind.
void CheckAnyKind(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  OwnGraph own;
  StepCall call{cells.get(), 3, 0, 1};
  cudaGraphNodeParams kernel = {};
  kernel.type = cudaGraphNodeTypeKernel;
  const cudaKernelNodeParams params = call.Params();
  kernel.kernel.func = params.func;
  kernel.kernel.gridDim = params.gridDim;
  kernel.kernel.blockDim = params.blockDim;
  kernel.kernel.kernelParams = params.kernelParams;
  cudaGraphNode_t first = nullptr;
  CUDA_CALL(cudaGraphAddNode(&first, own.graph, nullptr, nullptr, 0, &kernel));
  call.add = 2;
  call.factor = 10;
  cudaGraphNode_t second = nullptr;
  CUDA_CALL(cudaGraphAddNode(&second, own.graph, &first, nullptr, 1, &kernel));
  own.MakeReady();
  own.Run();
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 42), "nodes of any kind");
  call.factor = 100;
  CUDA_CALL(cudaGraphExecNodeSetParams(own.exec, second, &kernel));
  own.Run();
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 12702), "changed where they are ready");
  call.factor = 0;
  call.add = 5;
  CUDA_CALL(cudaGraphNodeSetParams(second, &kernel));
  cudaGraphExecUpdateResultInfo info;
  CUDA_CALL(cudaGraphExecUpdate(own.exec, own.graph, &info));
  own.Run();
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 5), "changed in the graph");
  kernel.type = cudaGraphNodeTypeMemset;
  kernel.memset.dst = cells.get();
  kernel.memset.elementSize = 3;
  kernel.memset.width = 1;
  kernel.memset.height = 1;
  verdict.Expect(IsRefused(cudaGraphAddNode(&second, own.graph, nullptr, nullptr, 0, &kernel),
                           cudaErrorInvalidValue),
                 "values of three bytes are refused");
}

// A box of the host's memory, of several slices.
void CheckBox(apps::Verdict& verdict, apps::SeededRandom& random) {
  constexpr size_t kWidth = 24;
  constexpr size_t kRows = 6;
  constexpr size_t kSlices = 3;
  std::vector<unsigned char> in = random.Integers<unsigned char>(kWidth * kRows * kSlices);
  std::vector<unsigned char> out(in.size());
  cudaPitchedPtr memory = {};
  CUDA_CALL(cudaMalloc3D(&memory, make_cudaExtent(kWidth, kRows, kSlices)));
  cudaMemcpy3DParms there = {};
  there.srcPtr = make_cudaPitchedPtr(in.data(), kWidth, kWidth, kRows);
  there.dstPtr = memory;
  there.extent = make_cudaExtent(kWidth, kRows, kSlices);
  there.kind = cudaMemcpyHostToDevice;
  cudaMemcpy3DParms back = there;
  back.srcPtr = memory;
  back.dstPtr = make_cudaPitchedPtr(out.data(), kWidth, kWidth, kRows);
  back.kind = cudaMemcpyDeviceToHost;
  OwnGraph own;
  cudaGraphNode_t first = nullptr;
  cudaGraphNode_t second = nullptr;
  CUDA_CALL(cudaGraphAddMemcpyNode(&first, own.graph, nullptr, 0, &there));
  CUDA_CALL(cudaGraphAddMemcpyNode(&second, own.graph, &first, 1, &back));
  own.MakeReady();
  for (int round = 0; round < 2; ++round) {
    const std::vector<unsigned char> fresh = random.Integers<unsigned char>(in.size());
    std::copy(fresh.begin(), fresh.end(), in.begin());
    own.Run();
    verdict.ExpectEqual(out, in, "a box through the device");
  }
  cudaMemcpy3DParms told = {};
  CUDA_CALL(cudaGraphMemcpyNodeGetParams(second, &told));
  verdict.Expect(told.extent.depth == kSlices && told.srcPtr.ptr == memory.ptr,
                 "what a copy of a box does is told");
  CUDA_CALL(cudaFree(memory.ptr));
}

// Between two places of the host, in the graph's order.
void CheckHostToHost(apps::Verdict& verdict, apps::SeededRandom& random) {
  Buffer cells(kCells);
  Cells in(kCells);
  Cells between(kCells);
  Cells out(kCells);
  OwnGraph own;
  const cudaGraphNode_t moved =
      AddCopy(own.graph, {}, between.data(), in.data(), cudaMemcpyHostToHost);
  const cudaGraphNode_t fetched =
      AddCopy(own.graph, {moved}, cells.get(), between.data(), cudaMemcpyHostToDevice);
  const cudaGraphNode_t step = AddStep(own.graph, {fetched}, {cells.get(), 3, 1, 0});
  AddCopy(own.graph, {step}, between.data(), cells.get(), cudaMemcpyDeviceToHost);
  own.MakeReady();
  CUDA_CALL(cudaStreamBeginCapture(cudaStreamPerThread, cudaStreamCaptureModeRelaxed));
  CUDA_CALL(cudaMemcpyAsync(out.data(), between.data(), kBytes, cudaMemcpyHostToHost,
                            cudaStreamPerThread));
  cudaGraph_t recorded = nullptr;
  CUDA_CALL(cudaStreamEndCapture(cudaStreamPerThread, &recorded));
  OwnGraph last(recorded);
  last.MakeReady();
  for (int round = 0; round < 2; ++round) {
    const Cells fresh = random.Integers<unsigned>(kCells);
    std::copy(fresh.begin(), fresh.end(), in.begin());
    CUDA_CALL(cudaGraphLaunch(own.exec, cudaStreamPerThread));
    last.Run();
    Cells wanted = fresh;
    StepCall{nullptr, 3, 1, 0}.OnHost(wanted);
    verdict.ExpectEqual(out, wanted, "copies between host and host");
  }
}

// A graph that is sent ahead has done nothing yet, and then does what its nodes last were.
void CheckUpload(apps::Verdict& verdict, apps::SeededRandom& random) {
  Buffer cells(kCells);
  Cells wanted = random.Integers<unsigned>(kCells);
  cells.Write(wanted);
  OwnGraph own;
  const cudaGraphNode_t step = AddStep(own.graph, {}, {cells.get(), 3, 5, 7});
  own.MakeReady();
  CUDA_CALL(cudaGraphUpload(own.exec, cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  verdict.ExpectEqual(cells.Read(), wanted, "a graph that was only uploaded");
  StepCall changed{cells.get(), 9, 2, 4};
  const cudaKernelNodeParams params = changed.Params();
  CUDA_CALL(cudaGraphExecKernelNodeSetParams(own.exec, step, &params));
  CUDA_CALL(cudaGraphUpload(own.exec, cudaStreamPerThread));
  own.Run();
  changed.OnHost(wanted);
  verdict.ExpectEqual(cells.Read(), wanted, "a graph that was uploaded again after a change");
}

// Memory of both sides is under way when nodes that copy the program's memory are made.
void CheckBesideManagedMemory(apps::Verdict& verdict, apps::SeededRandom& random) {
  Buffer cells(kCells);
  Buffer others(kCells);
  unsigned* shared = nullptr;
  CUDA_CALL(cudaMallocManaged(&shared, kBytes));
  std::fill_n(shared, kCells, 3u);
  const Cells in = random.Integers<unsigned>(kCells);
  Sum<<<2, kCells / 2>>>(others.get(), shared, shared);
  OwnGraph own;
  const cudaGraphNode_t fetched =
      AddCopy(own.graph, {}, cells.get(), in.data(), cudaMemcpyHostToDevice);
  AddStep(own.graph, {fetched}, {cells.get(), 3, 1, 0});
  CUDA_CALL(cudaDeviceSynchronize());
  own.MakeReady();
  own.Run();
  Cells wanted = in;
  StepCall{nullptr, 3, 1, 0}.OnHost(wanted);
  verdict.ExpectEqual(cells.Read(), wanted, "a graph beside managed memory");
  verdict.ExpectEqual(others.Read(), Cells(kCells, 24), "and what used that");
  CUDA_CALL(cudaFree(shared));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("graph_nodes", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckAllKinds(verdict, random);
  CheckEvents(verdict);
  CheckRecordedParams(verdict);
  CheckExecParams(verdict, random);
  CheckAnyKind(verdict);
  CheckBox(verdict, random);
  CheckHostToHost(verdict, random);
  CheckUpload(verdict, random);
  CheckBesideManagedMemory(verdict, random);
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
