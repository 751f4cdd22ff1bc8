// SPDX-License-Identifier: Apache-2.0
// Graphs and their shape.
#include <atomic>

#include "protocol/graph/dot_print.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

using graph::EdgeArgument;
using graph::EdgeArrays;

// Runs `ask` with the driver's graphs.
template <typename Ask>
CUresult WithGraphs(Ask&& ask) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return ask(call.driver->graphs());
}

CUresult TellNodes(CUgraph graph, bool roots_only, CUgraphNode* nodes, size_t* count) {
  return WithGraphs([&](graph::Graphs& graphs) {
    return count == nullptr ? CUDA_ERROR_INVALID_VALUE
                            : graphs.Nodes(HandleNumber(graph), roots_only, nodes, count);
  });
}

CUresult TellEdges(CUgraph graph, const EdgeArrays& to) {
  return WithGraphs([&](graph::Graphs& graphs) {
    return to.count == nullptr ? CUDA_ERROR_INVALID_VALUE : graphs.Edges(HandleNumber(graph), to);
  });
}

CUresult TellDependencies(CUgraphNode node, const EdgeArrays& to) {
  return WithGraphs([&](graph::Graphs& graphs) {
    return to.count == nullptr ? CUDA_ERROR_INVALID_VALUE
                               : graphs.Dependencies(HandleNumber(node), to);
  });
}

CUresult TellDependents(CUgraphNode node, const EdgeArrays& to) {
  return WithGraphs([&](graph::Graphs& graphs) {
    return to.count == nullptr ? CUDA_ERROR_INVALID_VALUE
                               : graphs.Dependents(HandleNumber(node), to);
  });
}

CUresult AddEdges(CUgraph graph, const EdgeArgument& edges, size_t count) {
  return WithGraphs(
      [&](graph::Graphs& graphs) { return graphs.AddEdges(HandleNumber(graph), edges, count); });
}

CUresult RemoveEdges(CUgraph graph, const EdgeArgument& edges, size_t count) {
  return WithGraphs(
      [&](graph::Graphs& graphs) { return graphs.RemoveEdges(HandleNumber(graph), edges, count); });
}

}  // namespace

CUresult cuGraphCreate(CUgraph* phGraph, unsigned int flags) {
  return WithGraphs([&](graph::Graphs& graphs) {
    if (phGraph == nullptr || flags != 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *phGraph = AsHandle<CUgraph>(graphs.Create());
    return *phGraph == nullptr ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
  });
}

CUresult cuGraphDestroy(CUgraph hGraph) {
  return WithGraphs([&](graph::Graphs& graphs) { return graphs.Destroy(HandleNumber(hGraph)); });
}

CUresult cuGraphClone(CUgraph* phGraphClone, CUgraph originalGraph) {
  return WithGraphs([&](graph::Graphs& graphs) {
    if (phGraphClone == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t clone = 0;
    FARLANE_SOFT_TRY(graphs.Clone(HandleNumber(originalGraph), &clone));
    *phGraphClone = AsHandle<CUgraph>(clone);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphNodeFindInClone(CUgraphNode* phNode,
                                CUgraphNode hOriginalNode,
                                CUgraph hClonedGraph) {
  return WithGraphs([&](graph::Graphs& graphs) {
    if (phNode == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    uint64_t node = 0;
    FARLANE_SOFT_TRY(
        graphs.FindInClone(HandleNumber(hOriginalNode), HandleNumber(hClonedGraph), &node));
    *phNode = AsHandle<CUgraphNode>(node);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphNodeGetType(CUgraphNode hNode, CUgraphNodeType* type) {
  return WithGraphs([&](graph::Graphs& graphs) {
    const graph::CommandPtr command = graphs.CommandOf(HandleNumber(hNode));
    if (command == nullptr || type == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *type = command->type;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphGetNodes(CUgraph hGraph, CUgraphNode* nodes, size_t* numNodes) {
  return TellNodes(hGraph, false, nodes, numNodes);
}

CUresult cuGraphGetRootNodes(CUgraph hGraph, CUgraphNode* rootNodes, size_t* numRootNodes) {
  return TellNodes(hGraph, true, rootNodes, numRootNodes);
}

CUresult cuGraphGetEdges(CUgraph hGraph, CUgraphNode* from, CUgraphNode* to, size_t* numEdges) {
  return TellEdges(hGraph, {from, to, nullptr, numEdges});
}

CUresult cuGraphGetEdges_v2(CUgraph hGraph,
                            CUgraphNode* from,
                            CUgraphNode* to,
                            CUgraphEdgeData* edgeData,
                            size_t* numEdges) {
  return TellEdges(hGraph, {from, to, edgeData, numEdges});
}

CUresult cuGraphNodeGetDependencies(CUgraphNode hNode,
                                    CUgraphNode* dependencies,
                                    size_t* numDependencies) {
  return TellDependencies(hNode, {dependencies, nullptr, nullptr, numDependencies});
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode hNode,
                                       CUgraphNode* dependencies,
                                       CUgraphEdgeData* edgeData,
                                       size_t* numDependencies) {
  return TellDependencies(hNode, {dependencies, nullptr, edgeData, numDependencies});
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode hNode,
                                      CUgraphNode* dependentNodes,
                                      size_t* numDependentNodes) {
  return TellDependents(hNode, {dependentNodes, nullptr, nullptr, numDependentNodes});
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode hNode,
                                         CUgraphNode* dependentNodes,
                                         CUgraphEdgeData* edgeData,
                                         size_t* numDependentNodes) {
  return TellDependents(hNode, {dependentNodes, nullptr, edgeData, numDependentNodes});
}

CUresult cuGraphAddDependencies(CUgraph hGraph,
                                const CUgraphNode* from,
                                const CUgraphNode* to,
                                size_t numDependencies) {
  return AddEdges(hGraph, {from, to, nullptr}, numDependencies);
}

CUresult cuGraphAddDependencies_v2(CUgraph hGraph,
                                   const CUgraphNode* from,
                                   const CUgraphNode* to,
                                   const CUgraphEdgeData* edgeData,
                                   size_t numDependencies) {
  return AddEdges(hGraph, {from, to, edgeData}, numDependencies);
}

CUresult cuGraphRemoveDependencies(CUgraph hGraph,
                                   const CUgraphNode* from,
                                   const CUgraphNode* to,
                                   size_t numDependencies) {
  return RemoveEdges(hGraph, {from, to, nullptr}, numDependencies);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph hGraph,
                                      const CUgraphNode* from,
                                      const CUgraphNode* to,
                                      const CUgraphEdgeData* edgeData,
                                      size_t numDependencies) {
  return RemoveEdges(hGraph, {from, to, edgeData}, numDependencies);
}

CUresult cuGraphDestroyNode(CUgraphNode hNode) {
  return WithGraphs([&](graph::Graphs& graphs) { return graphs.DestroyNode(HandleNumber(hNode)); });
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle* pHandle_out,
                                        CUgraph hGraph,
                                        CUcontext ctx,
                                        unsigned int defaultLaunchValue,
                                        unsigned int flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pHandle_out == nullptr || (flags & ~unsigned{CU_GRAPH_COND_ASSIGN_DEFAULT}) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<Context> context;
  if (ctx != nullptr) {
    FARLANE_SOFT_TRY(FindContext(call, ctx, &context));
  } else {
    const ContextCall current;
    FARLANE_SOFT_TRY(current.result);
    context = current.context;
  }
  // Never a number that was a condition before, so a kernel cannot set the wrong one.
  static std::atomic<uint64_t> last{uint64_t{1} << 32};
  const graph::Condition condition{.number = last.fetch_add(1) + 1,
                                   .context = context->handle(),
                                   .value = defaultLaunchValue,
                                   .flags = flags};
  FARLANE_SOFT_TRY(call.driver->graphs().AddCondition(HandleNumber(hGraph), condition));
  *pHandle_out = condition.number;
  return CUDA_SUCCESS;
}

CUresult cuGraphDebugDotPrint(CUgraph hGraph, const char* path, unsigned int flags) {
  return WithGraphs([&](graph::Graphs& graphs) {
    const auto name_of = [](CUfunction function) {
      const auto found = Driver::Get()->functions().Find(HandleNumber(function));
      return found == nullptr ? std::string("?") : found->name;
    };
    return graph::DotPrint(graphs, HandleNumber(hGraph), path, flags, name_of);
  });
}

}  // namespace farlane::soft
