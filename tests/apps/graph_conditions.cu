// SPDX-License-Identifier: Apache-2.0
// Graphs that choose: nodes that run one of their bodies, or one again and again, as kernels have
// set their conditions. Bodies filled by nodes and by capture, one in another, in graphs that are
// made ready twice, changed and replaced.
#include <cuda_device_runtime_api.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/seeded_random.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 8;

// Sets a condition to what a cell holds.
__global__ void Decide(cudaGraphConditionalHandle condition, const unsigned* cell) {
  cudaGraphSetConditional(condition, *cell);
}

// Counts a cell down; the condition is whether there is anything left.
__global__ void CountDown(cudaGraphConditionalHandle condition, unsigned* cell) {
  *cell -= 1;
  cudaGraphSetConditional(condition, *cell != 0);
}

__global__ void Add(unsigned* cell, unsigned value) {
  *cell = *cell * 10 + value + (apps::kMutate && value == 3 ? 1 : 0);
}

__global__ void Put(unsigned* cell, unsigned value) {
  *cell = value;
}

namespace {

using Cells = std::vector<unsigned>;
using Buffer = apps::DeviceBuffer<unsigned>;

bool IsRefused(cudaError_t given, cudaError_t wanted) {
  static_cast<void>(cudaGetLastError());
  return given == wanted;
}

// A graph and what was made ready from it, gone with its scope.
struct OwnGraph {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;

  OwnGraph() { CUDA_CALL(cudaGraphCreate(&graph, 0)); }

  OwnGraph(const OwnGraph&) = delete;
  OwnGraph& operator=(const OwnGraph&) = delete;

  ~OwnGraph() {
    if (exec != nullptr) {
      CUDA_CALL(cudaGraphExecDestroy(exec));
    }
    if (graph != nullptr) {
      CUDA_CALL(cudaGraphDestroy(graph));
    }
  }

  cudaGraphConditionalHandle Condition(unsigned value = 0, unsigned flags = 0) const {
    cudaGraphConditionalHandle handle = 0;
    CUDA_CALL(cudaGraphConditionalHandleCreate(&handle, graph, value, flags));
    return handle;
  }

  void MakeReady() { CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0)); }

  void Run() const {
    CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
    CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  }
};

using Nodes = std::vector<cudaGraphNode_t>;

cudaGraphNode_t AddNode(cudaGraph_t graph, const Nodes& after, cudaGraphNodeParams* params) {
  cudaGraphNode_t node = nullptr;
#if CUDART_VERSION >= 13000
  CUDA_CALL(cudaGraphAddNode(&node, graph, after.data(), nullptr, after.size(), params));
#else
  CUDA_CALL(cudaGraphAddNode(&node, graph, after.data(), after.size(), params));
#endif
  return node;
}

// A conditional node; `bodies` gets its graphs.
cudaGraphNode_t AddChoice(cudaGraph_t graph,
                          const Nodes& after,
                          cudaGraphConditionalHandle condition,
                          cudaGraphConditionalNodeType type,
                          unsigned count,
                          std::vector<cudaGraph_t>* bodies) {
  cudaGraphNodeParams params = {};
  params.type = cudaGraphNodeTypeConditional;
  params.conditional.handle = condition;
  params.conditional.type = type;
  params.conditional.size = count;
  const cudaGraphNode_t node = AddNode(graph, after, &params);
  bodies->assign(params.conditional.phGraph_out, params.conditional.phGraph_out + count);
  return node;
}

template <typename... Arguments>
cudaGraphNode_t AddKernel(cudaGraph_t graph,
                          const Nodes& after,
                          const void* kernel,
                          Arguments... arguments) {
  void* pointers[] = {&arguments...};
  cudaGraphNodeParams params = {};
  params.type = cudaGraphNodeTypeKernel;
  params.kernel.func = const_cast<void*>(kernel);
  params.kernel.gridDim = dim3(1);
  params.kernel.blockDim = dim3(1);
  params.kernel.kernelParams = pointers;
  return AddNode(graph, after, &params);
}

const void* const kDecide = reinterpret_cast<const void*>(&Decide);
const void* const kCountDown = reinterpret_cast<const void*>(&CountDown);
const void* const kAdd = reinterpret_cast<const void*>(&Add);
const void* const kPut = reinterpret_cast<const void*>(&Put);

// Cell 0 decides, cell 1 says which bodies ran.
struct Board {
  Buffer cells{kCells};

  unsigned* at(size_t place) { return cells.get() + place; }

  void Set(unsigned decides, unsigned counted) {
    cells.Write(Cells{decides, 0, counted, 0, 0, 0, 0, 0});
  }

  unsigned Ran() { return cells.Read()[1]; }
};

void CheckIf(apps::Verdict& verdict) {
  Board board;
  for (unsigned bodies = 1; bodies <= 2; ++bodies) {
    OwnGraph own;
    const cudaGraphConditionalHandle condition = own.Condition();
    std::vector<cudaGraph_t> body;
    const cudaGraphNode_t decide =
        AddKernel(own.graph, {}, kDecide, condition, static_cast<const unsigned*>(board.at(0)));
    const cudaGraphNode_t choice =
        AddChoice(own.graph, {decide}, condition, cudaGraphCondTypeIf, bodies, &body);
    AddKernel(body[0], {}, kAdd, board.at(1), 1u);
    if (bodies == 2) {
      const cudaGraphNode_t first = AddKernel(body[1], {}, kAdd, board.at(1), 2u);
      AddKernel(body[1], {first}, kAdd, board.at(1), 3u);
    }
    AddKernel(own.graph, {choice}, kAdd, board.at(1), 9u);
    own.MakeReady();
    for (const unsigned value : {0u, 7u, 0u}) {
      board.Set(value, 0);
      own.Run();
      const unsigned wanted = value != 0 ? 19 : bodies == 2 ? 239 : 9;
      verdict.ExpectEqual(Cells{board.Ran()}, Cells{wanted}, "if with bodies");
    }
  }
}

void CheckWhileAndSwitch(apps::Verdict& verdict, apps::SeededRandom& random) {
  Board board;
  OwnGraph own;
  // Begins with 1, so that the body runs before anybody has set it.
  const cudaGraphConditionalHandle loop = own.Condition(1, cudaGraphCondAssignDefault);
  const cudaGraphConditionalHandle cases = own.Condition(2, cudaGraphCondAssignDefault);
  std::vector<cudaGraph_t> body;
  std::vector<cudaGraph_t> chosen;
  const cudaGraphNode_t repeated = AddChoice(own.graph, {}, loop, cudaGraphCondTypeWhile, 1, &body);
  AddChoice(own.graph, {repeated}, cases, cudaGraphCondTypeSwitch, 3, &chosen);
  // The body is what a stream records.
  cudaStream_t stream = nullptr;
  CUDA_CALL(cudaStreamCreate(&stream));
  CUDA_CALL(cudaStreamBeginCaptureToGraph(stream, body[0], nullptr, nullptr, 0,
                                          cudaStreamCaptureModeRelaxed));
  Add<<<1, 1, 0, stream>>>(board.at(1), 1);
  CountDown<<<1, 1, 0, stream>>>(loop, board.at(2));
  cudaGraph_t recorded = nullptr;
  CUDA_CALL(cudaStreamEndCapture(stream, &recorded));
  CUDA_CALL(cudaStreamDestroy(stream));
  verdict.Expect(recorded == body[0], "the capture gives the body back");
  for (unsigned i = 0; i < 3; ++i) {
    AddKernel(chosen[i], {}, kPut, board.at(3), 100 + i);
  }
  own.MakeReady();
  for (int round = 0; round < 3; ++round) {
    const unsigned count = random.Integers<unsigned>(1)[0] % 5 + 1;
    board.Set(0, count);
    own.Run();
    unsigned wanted = 0;
    for (unsigned i = 0; i < count; ++i) {
      wanted = wanted * 10 + 1;
    }
    const Cells found = board.cells.Read();
    verdict.ExpectEqual(found, Cells{0, wanted, 0, 102, 0, 0, 0, 0}, "while and switch");
  }
}

// A loop with a switch in it: what is left decides, cases beyond the last run nothing.
void BuildNested(OwnGraph& own, Board& board, unsigned first_case) {
  const cudaGraphConditionalHandle loop = own.Condition(1, cudaGraphCondAssignDefault);
  const cudaGraphConditionalHandle cases = own.Condition();
  std::vector<cudaGraph_t> body;
  std::vector<cudaGraph_t> chosen;
  AddChoice(own.graph, {}, loop, cudaGraphCondTypeWhile, 1, &body);
  const cudaGraphNode_t decide =
      AddKernel(body[0], {}, kDecide, cases, static_cast<const unsigned*>(board.at(2)));
  const cudaGraphNode_t choice =
      AddChoice(body[0], {decide}, cases, cudaGraphCondTypeSwitch, 4, &chosen);
  for (unsigned i = 0; i < 4; ++i) {
    AddKernel(chosen[i], {}, kAdd, board.at(1), first_case + i);
  }
  cudaGraphNodeParams fill = {};
  fill.type = cudaGraphNodeTypeMemset;
  fill.memset.dst = board.at(5);
  fill.memset.elementSize = 4;
  fill.memset.value = 77;
  fill.memset.width = 1;
  fill.memset.height = 1;
  const cudaGraphNode_t filled = AddNode(body[0], {decide}, &fill);
  AddKernel(body[0], {choice, filled}, kCountDown, loop, board.at(2));
}

void CheckNested(apps::Verdict& verdict) {
  Board board;
  OwnGraph own;
  BuildNested(own, board, 1);
  own.MakeReady();
  cudaGraphExec_t second = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&second, own.graph, 0));
  board.Set(0, 6);
  own.Run();
  // 6, 5 and 4 have no case; then 3, 2, 1.
  verdict.ExpectEqual(board.cells.Read(), Cells{0, 432, 0, 0, 0, 77, 0, 0}, "nested");
  board.Set(0, 2);
  CUDA_CALL(cudaGraphLaunch(second, cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{32}, "made ready twice");
  CUDA_CALL(cudaGraphExecDestroy(second));

  // The parameters and conditions of another graph of the same shape.
  OwnGraph other;
  BuildNested(other, board, 5);
  cudaGraphExecUpdateResultInfo info = {};
  CUDA_CALL(cudaGraphExecUpdate(own.exec, other.graph, &info));
  for (int round = 0; round < 2; ++round) {
    board.Set(0, 3);
    own.Run();
    verdict.ExpectEqual(Cells{board.Ran()}, Cells{876}, "updated");
  }
  // What is ready runs on without the graphs that it came from.
  CUDA_CALL(cudaGraphDestroy(own.graph));
  CUDA_CALL(cudaGraphDestroy(other.graph));
  own.graph = nullptr;
  other.graph = nullptr;
  board.Set(0, 1);
  own.Run();
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{6}, "without its graph");
}

// A node of a body is changed in what is ready, and left out.
void CheckChanged(apps::Verdict& verdict) {
  Board board;
  OwnGraph own;
  const cudaGraphConditionalHandle condition = own.Condition(1, cudaGraphCondAssignDefault);
  std::vector<cudaGraph_t> body;
  const cudaGraphNode_t choice = AddChoice(own.graph, {}, condition, cudaGraphCondTypeIf, 1, &body);
  const cudaGraphNode_t first = AddKernel(body[0], {}, kAdd, board.at(1), 1u);
  // Recorded behind the node that is there; nobody has to be told of the graph.
  CUDA_CALL(cudaStreamBeginCaptureToGraph(cudaStreamPerThread, body[0], &first, nullptr, 1,
                                          cudaStreamCaptureModeRelaxed));
  Add<<<1, 1, 0, cudaStreamPerThread>>>(board.at(1), 2);
  CUDA_CALL(cudaStreamEndCapture(cudaStreamPerThread, nullptr));
  cudaGraphNode_t nodes[2] = {};
  size_t count = 2;
  CUDA_CALL(cudaGraphGetNodes(body[0], nodes, &count));
  const cudaGraphNode_t last = nodes[nodes[0] == first ? 1 : 0];
  own.MakeReady();
  board.Set(0, 0);
  own.Run();
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{12}, "before the change");
  unsigned* cell = board.at(1);
  unsigned value = 5;
  void* arguments[] = {&cell, &value};
  cudaKernelNodeParams params = {};
  params.func = const_cast<void*>(kAdd);
  params.gridDim = dim3(1);
  params.blockDim = dim3(1);
  params.kernelParams = arguments;
  CUDA_CALL(cudaGraphExecKernelNodeSetParams(own.exec, first, &params));
  board.Set(0, 0);
  own.Run();
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{52}, "a node of the body changed");
  CUDA_CALL(cudaGraphNodeSetEnabled(own.exec, last, 0));
  board.Set(0, 0);
  own.Run();
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{5}, "a node of the body left out");

  // The graph itself gets another node, and loses the choice.
  AddKernel(own.graph, {choice}, kAdd, board.at(1), 8u);
  CUDA_CALL(cudaGraphExecDestroy(own.exec));
  own.MakeReady();
  board.Set(0, 0);
  own.Run();
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{128}, "made ready once more");
  CUDA_CALL(cudaGraphDestroyNode(choice));
  CUDA_CALL(cudaGraphExecDestroy(own.exec));
  own.MakeReady();
  board.Set(0, 0);
  own.Run();
  verdict.ExpectEqual(Cells{board.Ran()}, Cells{8}, "without the choice");
}

void CheckRefusals(apps::Verdict& verdict) {
  Board board;
  OwnGraph own;
  cudaGraphConditionalHandle none = 0;
  verdict.Expect(
      IsRefused(cudaGraphConditionalHandleCreate(&none, own.graph, 0, 2), cudaErrorInvalidValue),
      "flags that there are not");
  const cudaGraphConditionalHandle condition = own.Condition();
  cudaGraphExec_t exec = nullptr;
  cudaGraphInstantiateParams ready = {};
  verdict.Expect(
      IsRefused(cudaGraphInstantiateWithParams(&exec, own.graph, &ready), cudaErrorInvalidValue),
      "a condition without a node");
  verdict.Expect(ready.result_out == cudaGraphInstantiateConditionalHandleUnused, "and says so");
  cudaGraphNodeParams params = {};
  params.type = cudaGraphNodeTypeConditional;
  params.conditional.handle = condition;
  params.conditional.type = cudaGraphCondTypeWhile;
  params.conditional.size = 2;
  cudaGraphNode_t node = nullptr;
  const auto add = [&](cudaGraph_t graph) {
#if CUDART_VERSION >= 13000
    return cudaGraphAddNode(&node, graph, nullptr, nullptr, 0, &params);
#else
    return cudaGraphAddNode(&node, graph, nullptr, 0, &params);
#endif
  };
  verdict.Expect(IsRefused(add(own.graph), cudaErrorInvalidValue), "a loop with two bodies");
  params.conditional.size = 1;
  OwnGraph other;
  verdict.Expect(IsRefused(add(other.graph), cudaErrorInvalidValue), "another graph's condition");
  CUDA_CALL(add(own.graph));
  verdict.Expect(IsRefused(add(own.graph), cudaErrorInvalidValue), "two nodes of one condition");
  cudaGraph_t clone = nullptr;
  verdict.Expect(cudaGraphClone(&clone, own.graph) != cudaSuccess, "a copy of conditions");
  cudaGraphNode_t child = nullptr;
  verdict.Expect(
      cudaGraphAddChildGraphNode(&child, other.graph, nullptr, 0, own.graph) != cudaSuccess,
      "conditions in a child graph");
  static_cast<void>(cudaGetLastError());
  const cudaGraph_t body = params.conditional.phGraph_out[0];
  verdict.Expect(IsRefused(cudaGraphDestroy(body), cudaErrorInvalidValue), "the end of a body");
  cudaGraphNodeType type = cudaGraphNodeTypeEmpty;
  CUDA_CALL(cudaGraphNodeGetType(node, &type));
  verdict.Expect(type == cudaGraphNodeTypeConditional, "its kind");
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("graph_conditions", argc, argv);
  apps::SeededRandom random(verdict.seed());
  CheckIf(verdict);
  CheckWhileAndSwitch(verdict, random);
  CheckNested(verdict);
  CheckChanged(verdict);
  CheckRefusals(verdict);
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
