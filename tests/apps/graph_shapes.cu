// SPDX-License-Identifier: Apache-2.0
// What is around the nodes of a graph: edges, graphs inside graphs, copies of graphs, attributes of
// kernels, things that live as long as a graph, and the picture of one.
#include <cstdio>
#include <string>

#include <unistd.h>

#include "tests/apps/cuda_call.h"
#include "tests/apps/device_buffer.h"
#include "tests/apps/verdict.h"

constexpr unsigned kCells = 64;

__global__ void Step(unsigned* cells, unsigned factor, unsigned add) {
  unsigned i = threadIdx.x;
  cells[i] = cells[i] * factor + (apps::kMutate && i == 7 ? 1 : 0) + add;
}

namespace {

using Cells = std::vector<unsigned>;
using Buffer = apps::DeviceBuffer<unsigned>;
using Nodes = std::vector<cudaGraphNode_t>;

// Whether a call is refused so; the runtime forgets it.
bool IsRefused(cudaError_t given, cudaError_t wanted) {
  static_cast<void>(cudaGetLastError());
  return given == wanted;
}

cudaGraph_t NewGraph() {
  cudaGraph_t graph = nullptr;
  CUDA_CALL(cudaGraphCreate(&graph, 0));
  return graph;
}

// A description of a Step; its arguments live as long as it.
struct StepCall {
  unsigned* cells;
  unsigned factor;
  unsigned add;
  void* arguments[3] = {&cells, &factor, &add};

  cudaKernelNodeParams Params() {
    cudaKernelNodeParams params = {};
    params.func = reinterpret_cast<void*>(&Step);
    params.gridDim = dim3(1);
    params.blockDim = dim3(kCells);
    params.kernelParams = arguments;
    return params;
  }
};

cudaGraphNode_t AddStep(cudaGraph_t graph, const Nodes& after, StepCall call) {
  cudaGraphNode_t node = nullptr;
  const cudaKernelNodeParams params = call.Params();
  CUDA_CALL(cudaGraphAddKernelNode(&node, graph, after.data(), after.size(), &params));
  return node;
}

void Run(cudaGraph_t graph) {
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  CUDA_CALL(cudaGraphExecDestroy(exec));
}

size_t EdgesOf(cudaGraph_t graph) {
  size_t count = 0;
  CUDA_CALL(cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count));
  return count;
}

// ---- edges --------------------------------------------------------------------------------------

void CheckEdges(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  cudaGraph_t graph = NewGraph();
  const cudaGraphNode_t one = AddStep(graph, {}, {cells.get(), 2, 0});
  const cudaGraphNode_t two = AddStep(graph, {one}, {cells.get(), 1, 10});
  const cudaGraphNode_t three = AddStep(graph, {two}, {cells.get(), 3, 0});
  Run(graph);
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 36), "nodes in the order of their edges");
  // The same nodes the other way round.
  const cudaGraphNode_t from[] = {one, two};
  const cudaGraphNode_t to[] = {two, three};
  CUDA_CALL(cudaGraphRemoveDependencies(graph, from, to, nullptr, 2));
  verdict.Expect(EdgesOf(graph) == 0, "edges are gone");
  CUDA_CALL(cudaGraphAddDependencies(graph, to, from, nullptr, 2));
  verdict.Expect(EdgesOf(graph) == 2, "and others are there");
  verdict.Expect(
      IsRefused(cudaGraphAddDependencies(graph, to, from, nullptr, 1), cudaErrorInvalidValue),
      "an edge that is there is refused");
  verdict.Expect(
      IsRefused(cudaGraphRemoveDependencies(graph, from, to, nullptr, 1), cudaErrorInvalidValue),
      "and one that is not, where it should go");
  cells.Write(Cells(kCells, 1));
  Run(graph);
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 26), "nodes in the order of their new edges");
  CUDA_CALL(cudaGraphDestroyNode(two));
  verdict.Expect(EdgesOf(graph) == 0, "a node goes with its edges");
  CUDA_CALL(cudaGraphAddDependencies(graph, &three, &one, nullptr, 1));
  cells.Write(Cells(kCells, 1));
  Run(graph);
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 6), "nodes that are left");
  cudaGraphNode_t again = nullptr;
  const cudaGraphNode_t twice[] = {one, one};
  verdict.Expect(IsRefused(cudaGraphAddEmptyNode(&again, graph, twice, 2), cudaErrorInvalidValue),
                 "a node comes behind another one once");
  CUDA_CALL(cudaGraphAddDependencies(graph, &one, &three, nullptr, 1));
  cudaGraphExec_t exec = nullptr;
  verdict.Expect(IsRefused(cudaGraphInstantiate(&exec, graph, 0), cudaErrorInvalidValue),
                 "a graph that goes in a circle cannot run");
  CUDA_CALL(cudaGraphDestroy(graph));
}

// ---- graphs inside graphs -----------------------------------------------------------------------

// Two chains side by side, each on its own cells.
cudaGraph_t TwoChains(unsigned* left, unsigned* right, unsigned add) {
  cudaGraph_t graph = NewGraph();
  const cudaGraphNode_t first = AddStep(graph, {}, {left, 2, add});
  AddStep(graph, {first}, {left, 3, 0});
  const cudaGraphNode_t second = AddStep(graph, {}, {right, 5, add});
  AddStep(graph, {second}, {right, 7, 0});
  return graph;
}

void CheckChildren(apps::Verdict& verdict) {
  Buffer left(Cells(kCells, 1));
  Buffer right(Cells(kCells, 1));
  cudaGraph_t inner = TwoChains(left.get(), right.get(), 1);
  cudaGraph_t graph = NewGraph();
  const cudaGraphNode_t before_left = AddStep(graph, {}, {left.get(), 1, 10});
  const cudaGraphNode_t before_right = AddStep(graph, {}, {right.get(), 1, 20});
  const cudaGraphNode_t before[] = {before_left, before_right};
  cudaGraphNode_t child = nullptr;
  CUDA_CALL(cudaGraphAddChildGraphNode(&child, graph, before, 2, inner));
  AddStep(graph, {child}, {left.get(), 10, 3});
  AddStep(graph, {child}, {right.get(), 10, 4});
  // The graph has a copy: what becomes of the one that it was made of is nothing to it.
  cudaGraph_t inside = nullptr;
  CUDA_CALL(cudaGraphChildGraphNodeGetGraph(child, &inside));
  verdict.Expect(inside != inner && inside != nullptr, "a graph inside is a copy");
  CUDA_CALL(cudaGraphDestroy(inner));
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  verdict.ExpectEqual(left.Read(), Cells(kCells, 23 * 3 * 10 + 3), "a graph inside, one side");
  verdict.ExpectEqual(right.Read(), Cells(kCells, 106 * 7 * 10 + 4), "and the other one");

  // Other parameters for what is inside, where it is ready.
  cudaGraph_t other = TwoChains(left.get(), right.get(), 100);
  CUDA_CALL(cudaGraphExecChildGraphNodeSetParams(exec, child, other));
  left.Write(Cells(kCells, 1));
  right.Write(Cells(kCells, 1));
  CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  verdict.ExpectEqual(left.Read(), Cells(kCells, 122 * 3 * 10 + 3), "a changed graph inside");
  verdict.ExpectEqual(right.Read(), Cells(kCells, 205 * 7 * 10 + 4), "and its other side");
  AddStep(other, {}, {left.get(), 1, 1});
  verdict.Expect(
      IsRefused(cudaGraphExecChildGraphNodeSetParams(exec, child, other), cudaErrorInvalidValue),
      "a graph of another shape does not fit inside");
  CUDA_CALL(cudaGraphExecDestroy(exec));

  // And an inner graph in an inner graph.
  cudaGraph_t outer = NewGraph();
  cudaGraphNode_t nested = nullptr;
  CUDA_CALL(cudaGraphAddChildGraphNode(&nested, outer, nullptr, 0, graph));
  left.Write(Cells(kCells, 0));
  Run(outer);
  verdict.ExpectEqual(left.Read(), Cells(kCells, 21 * 3 * 10 + 3), "a graph inside one inside");
  CUDA_CALL(cudaGraphDestroy(outer));
  CUDA_CALL(cudaGraphDestroy(other));
  CUDA_CALL(cudaGraphDestroy(graph));
}

void CheckClones(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  cudaGraph_t graph = NewGraph();
  const cudaGraphNode_t one = AddStep(graph, {}, {cells.get(), 2, 0});
  const cudaGraphNode_t two = AddStep(graph, {one}, {cells.get(), 1, 10});
  cudaGraph_t clone = nullptr;
  cudaGraphNode_t twin = nullptr;
  CUDA_CALL(cudaGraphClone(&clone, graph));
  CUDA_CALL(cudaGraphNodeFindInClone(&twin, two, clone));
  verdict.Expect(twin != nullptr && twin != two, "a node of a copy is another one");
  verdict.Expect(IsRefused(cudaGraphNodeFindInClone(&twin, twin, graph), cudaErrorInvalidValue),
                 "the original is no copy");
  StepCall changed{cells.get(), 1, 30};
  const cudaKernelNodeParams params = changed.Params();
  CUDA_CALL(cudaGraphNodeFindInClone(&twin, two, clone));
  CUDA_CALL(cudaGraphKernelNodeSetParams(twin, &params));
  Run(clone);
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 32), "a copy with a change of its own");
  CUDA_CALL(cudaGraphDestroy(clone));
  cells.Write(Cells(kCells, 1));
  Run(graph);
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 12), "and the original without");
  CUDA_CALL(cudaGraphDestroy(graph));
}

// ---- attributes ---------------------------------------------------------------------------------

void CheckAttributes(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  cudaGraph_t graph = NewGraph();
  const cudaGraphNode_t one = AddStep(graph, {}, {cells.get(), 2, 0});
  const cudaGraphNode_t two = AddStep(graph, {one}, {cells.get(), 1, 10});
  cudaKernelNodeAttrValue value = {};
  CUDA_CALL(cudaGraphKernelNodeGetAttribute(one, cudaLaunchAttributeCooperative, &value));
  verdict.Expect(value.cooperative == 0, "a kernel node is not cooperative by itself");
  value.cooperative = 1;
  CUDA_CALL(cudaGraphKernelNodeSetAttribute(one, cudaLaunchAttributeCooperative, &value));
  CUDA_CALL(cudaGraphKernelNodeCopyAttributes(two, one));
  value.cooperative = 0;
  CUDA_CALL(cudaGraphKernelNodeGetAttribute(two, cudaLaunchAttributeCooperative, &value));
  verdict.Expect(value.cooperative == 1, "attributes are copied");
  cudaGraphNode_t empty = nullptr;
  CUDA_CALL(cudaGraphAddEmptyNode(&empty, graph, nullptr, 0));
  verdict.Expect(
      IsRefused(cudaGraphKernelNodeGetAttribute(empty, cudaLaunchAttributeCooperative, &value),
                cudaErrorInvalidValue),
      "a node without a kernel has none");
  Run(graph);
  verdict.ExpectEqual(cells.Read(), Cells(kCells, 12), "kernels with attributes");
  CUDA_CALL(cudaGraphDestroy(graph));
}

// ---- user objects -------------------------------------------------------------------------------

void Count(void* data) {
  ++*static_cast<int*>(data);
}

void CheckUserObjects(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  int ended = 0;
  cudaUserObject_t object = nullptr;
  CUDA_CALL(cudaUserObjectCreate(&object, &ended, Count, 2, cudaUserObjectNoDestructorSync));
  CUDA_CALL(cudaUserObjectRelease(object, 1));
  verdict.Expect(ended == 0, "one hold is left");
  cudaGraph_t graph = NewGraph();
  AddStep(graph, {}, {cells.get(), 2, 0});
  CUDA_CALL(cudaGraphRetainUserObject(graph, object, 1, cudaGraphUserObjectMove));
  CUDA_CALL(cudaGraphRetainUserObject(graph, object, 2, 0));
  CUDA_CALL(cudaGraphReleaseUserObject(graph, object, 2));
  verdict.Expect(IsRefused(cudaGraphReleaseUserObject(graph, object, 2), cudaErrorInvalidValue),
                 "a graph lets go what it holds, no more");
  cudaGraphExec_t exec = nullptr;
  CUDA_CALL(cudaGraphInstantiate(&exec, graph, 0));
  cudaGraph_t clone = nullptr;
  CUDA_CALL(cudaGraphClone(&clone, graph));
  CUDA_CALL(cudaGraphDestroy(graph));
  verdict.Expect(ended == 0, "a copy and what is ready hold it");
  CUDA_CALL(cudaGraphDestroy(clone));
  CUDA_CALL(cudaGraphLaunch(exec, cudaStreamPerThread));
  CUDA_CALL(cudaStreamSynchronize(cudaStreamPerThread));
  verdict.Expect(ended == 0, "what is ready holds it");
  CUDA_CALL(cudaGraphExecDestroy(exec));
  CUDA_CALL(cudaDeviceSynchronize());
  // A driver may end it a moment later, on a thread of its own.
  for (int i = 0; i < 5000 && *static_cast<volatile int*>(&ended) == 0; ++i) {
    usleep(1000);
  }
  verdict.Expect(ended == 1, "and ends it, once");
  verdict.Expect(
      IsRefused(cudaUserObjectCreate(&object, &ended, Count, 1, 0), cudaErrorInvalidValue),
      "a thing that wants to be waited for is refused");
}

// ---- the picture --------------------------------------------------------------------------------

std::string ReadFile(const char* path) {
  std::string text;
  FILE* file = std::fopen(path, "r");
  for (int c = file == nullptr ? EOF : std::fgetc(file); c != EOF; c = std::fgetc(file)) {
    text += static_cast<char>(c);
  }
  if (file != nullptr) {
    std::fclose(file);
  }
  return text;
}

void CheckPicture(apps::Verdict& verdict) {
  Buffer cells(Cells(kCells, 1));
  cudaGraph_t graph = NewGraph();
  const cudaGraphNode_t one = AddStep(graph, {}, {cells.get(), 2, 0});
  AddStep(graph, {one}, {cells.get(), 1, 10});
  char path[] = P_tmpdir "/graph_shapes.XXXXXX";
  const int file = mkstemp(path);
  close(file);
  CUDA_CALL(cudaGraphDebugDotPrint(graph, path, 0));
  const std::string plain = ReadFile(path);
  CUDA_CALL(cudaGraphDebugDotPrint(graph, path, cudaGraphDebugDotFlagsVerbose));
  const std::string verbose = ReadFile(path);
  unlink(path);
  verdict.Expect(plain.find("digraph") == 0, "the picture is a DOT text");
  verdict.Expect(plain.find("Step") != std::string::npos, "that names the kernels");
  verdict.Expect(plain.find("->") != std::string::npos, "and shows the edges");
  verdict.Expect(verbose.size() > plain.size(), "and more, where more is asked for");
  verdict.Expect(
      IsRefused(cudaGraphDebugDotPrint(graph, "/nowhere/at/all", 0), cudaErrorOperatingSystem),
      "a file that cannot be written is told");
  CUDA_CALL(cudaGraphDestroy(graph));
}

}  // namespace

int main(int argc, char** argv) {
  apps::Verdict verdict("graph_shapes", argc, argv);
  CheckEdges(verdict);
  CheckChildren(verdict);
  CheckClones(verdict);
  CheckAttributes(verdict);
  CheckUserObjects(verdict);
  CheckPicture(verdict);
  CUDA_CALL(cudaDeviceSynchronize());
  return verdict.Finish();
}
