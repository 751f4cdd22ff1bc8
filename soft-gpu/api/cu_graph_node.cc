// SPDX-License-Identifier: Apache-2.0
// Nodes of graphs, by kind.
#include "soft-gpu/api/node_call.h"
#include "soft-gpu/api/node_list.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult MakeAny(const CUgraphNodeParams& description,
                 const graph::NodePlace& place,
                 graph::CommandPtr* command) {
  switch (description.type) {
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
    case CU_GRAPH_NODE_TYPE_MEM_FREE: {
      const ContextCall call;
      FARLANE_SOFT_TRY(call.result);
      CUgraphNodeParams wanted = description;
      return MakeMemoryCommand(call, place, &wanted, command);
    }
    default:
      return MakeCommand(description, {}, command);
  }
}

CUresult Add(CUgraphNode* handle,
             CUgraph graph,
             const NodeList& after,
             const NodeDescription& description) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  graph::Graphs& graphs = call.driver->graphs();
  const uint64_t number = HandleNumber(graph);
  graph::Predecessors edges;
  if (handle == nullptr || !description.has_value() || !after.Read(&edges) ||
      !graphs.Knows(number) || !graphs.Holds(number, edges)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t node = 0;
  graph::CommandPtr command = BareCommand(*description);
  if (description->type == CU_GRAPH_NODE_TYPE_GRAPH) {
    const graph::ChildUse child{
        .graph = HandleNumber(description->graph.graph),
        .moved = description->graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE};
    FARLANE_SOFT_TRY(graphs.AddChild(number, std::move(command), std::move(edges), child, &node));
  } else if (description->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    FARLANE_SOFT_TRY(graphs.AddConditional(number, std::move(command), std::move(edges),
                                           description->conditional, &node));
  } else {
    FARLANE_SOFT_TRY(MakeAny(*description, {.graph = number, .after = edges}, &command));
    FARLANE_SOFT_TRY(graphs.AddNode(number, std::move(command), std::move(edges), &node));
  }
  *handle = AsHandle<CUgraphNode>(node);
  return CUDA_SUCCESS;
}

CUresult Set(CUgraphNode node, const NodeDescription& description) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  graph::Graphs& graphs = call.driver->graphs();
  graph::CommandPtr made;
  FARLANE_SOFT_TRY(MakeReplacement(graphs.CommandOf(HandleNumber(node)), description, &made));
  return graphs.SetCommand(HandleNumber(node), std::move(made));
}

// Runs `tell` with what a node does.
template <typename Tell>
CUresult WithParams(CUgraphNode node, Tell&& tell) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const graph::CommandPtr command = call.driver->graphs().CommandOf(HandleNumber(node));
  return command == nullptr || command->params == nullptr ? CUDA_ERROR_INVALID_VALUE
                                                          : tell(*command->params);
}

template <typename Params>
CUresult Tell(CUgraphNode node, Params* to) {
  return WithParams(node, [to](const graph::NodeParams& params) {
    return to == nullptr ? CUDA_ERROR_INVALID_VALUE : graph::Give(params, to);
  });
}

CUresult TellEvent(CUgraphNode node, CUgraphNodeType type, CUevent* to) {
  return WithParams(node, [type, to](const graph::NodeParams& params) {
    return to == nullptr ? CUDA_ERROR_INVALID_VALUE : graph::GiveEvent(params, type, to);
  });
}

CUresult TellAddress(CUgraphNode node, CUgraphNodeType type, CUdeviceptr* to) {
  return WithParams(node, [type, to](const graph::NodeParams& params) {
    return to == nullptr ? CUDA_ERROR_INVALID_VALUE : graph::GiveAddress(params, type, to);
  });
}

CUresult AddAny(CUgraphNode* handle,
                CUgraph graph,
                const NodeList& after,
                CUgraphNodeParams* params) {
  FARLANE_SOFT_TRY(Add(handle, graph, after, graph::AnyNode(params)));
  if (params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    params->conditional.phGraph_out = Driver::Get()->graphs().BodiesOf(HandleNumber(*handle));
  }
  return params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC
             ? TellAddress(*handle, CU_GRAPH_NODE_TYPE_MEM_ALLOC, &params->alloc.dptr)
             : CUDA_SUCCESS;
}

CUresult SetAttributes(CUgraphNode node,
                       const graph::NodeParams& params,
                       const graph::Attributes& attributes) {
  graph::CommandPtr made;
  FARLANE_SOFT_TRY(MakeCommand(params.value, attributes, &made));
  return Driver::Get()->graphs().SetCommand(HandleNumber(node), std::move(made));
}

}  // namespace

// ---- any kind -----------------------------------------------------------------------------------

CUresult cuGraphAddNode(CUgraphNode* phGraphNode,
                        CUgraph hGraph,
                        const CUgraphNode* dependencies,
                        size_t numDependencies,
                        CUgraphNodeParams* nodeParams) {
  return AddAny(phGraphNode, hGraph, {dependencies, nullptr, numDependencies}, nodeParams);
}

CUresult cuGraphAddNode_v2(CUgraphNode* phGraphNode,
                           CUgraph hGraph,
                           const CUgraphNode* dependencies,
                           const CUgraphEdgeData* dependencyData,
                           size_t numDependencies,
                           CUgraphNodeParams* nodeParams) {
  return AddAny(phGraphNode, hGraph, {dependencies, dependencyData, numDependencies}, nodeParams);
}

CUresult cuGraphNodeSetParams(CUgraphNode hNode, CUgraphNodeParams* nodeParams) {
  return Set(hNode, graph::AnyNode(nodeParams));
}

CUresult cuGraphAddEmptyNode(CUgraphNode* phGraphNode,
                             CUgraph hGraph,
                             const CUgraphNode* dependencies,
                             size_t numDependencies) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies}, graph::EmptyNode());
}

// ---- kernels ------------------------------------------------------------------------------------

CUresult cuGraphAddKernelNode(CUgraphNode* phGraphNode,
                              CUgraph hGraph,
                              const CUgraphNode* dependencies,
                              size_t numDependencies,
                              const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::KernelNode(nodeParams));
}

CUresult cuGraphAddKernelNode_v2(CUgraphNode* phGraphNode,
                                 CUgraph hGraph,
                                 const CUgraphNode* dependencies,
                                 size_t numDependencies,
                                 const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::KernelNode(nodeParams));
}

CUresult cuGraphKernelNodeGetParams(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return Tell(hNode, nodeParams);
}

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return Tell(hNode, nodeParams);
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode hNode,
                                    const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return Set(hNode, graph::KernelNode(nodeParams));
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode hNode,
                                       const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return Set(hNode, graph::KernelNode(nodeParams));
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode hNode,
                                       CUkernelNodeAttrID attr,
                                       CUkernelNodeAttrValue* value_out) {
  return WithParams(hNode, [&](const graph::NodeParams& params) {
    return value_out == nullptr ? CUDA_ERROR_INVALID_VALUE
                                : graph::TellAttribute(params, attr, value_out);
  });
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode hNode,
                                       CUkernelNodeAttrID attr,
                                       const CUkernelNodeAttrValue* value) {
  return WithParams(hNode, [&](const graph::NodeParams& params) {
    graph::Attributes attributes;
    FARLANE_SOFT_TRY(value == nullptr ? CUDA_ERROR_INVALID_VALUE
                                      : graph::WithAttribute(params, attr, *value, &attributes));
    return SetAttributes(hNode, params, attributes);
  });
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode dst, CUgraphNode src) {
  return WithParams(src, [&](const graph::NodeParams& from) {
    return WithParams(dst, [&](const graph::NodeParams& to) {
      return from.value.type == CU_GRAPH_NODE_TYPE_KERNEL &&
                     to.value.type == CU_GRAPH_NODE_TYPE_KERNEL
                 ? SetAttributes(dst, to, from.attributes)
                 : CUDA_ERROR_INVALID_VALUE;
    });
  });
}

// ---- copies and fills ---------------------------------------------------------------------------

CUresult cuGraphAddMemcpyNode(CUgraphNode* phGraphNode,
                              CUgraph hGraph,
                              const CUgraphNode* dependencies,
                              size_t numDependencies,
                              const CUDA_MEMCPY3D* copyParams,
                              CUcontext ctx) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::CopyNode(copyParams, ctx));
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode hNode, CUDA_MEMCPY3D* nodeParams) {
  return Tell(hNode, nodeParams);
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode hNode, const CUDA_MEMCPY3D* nodeParams) {
  return Set(hNode, graph::CopyNode(nodeParams, nullptr));
}

CUresult cuGraphAddMemsetNode(CUgraphNode* phGraphNode,
                              CUgraph hGraph,
                              const CUgraphNode* dependencies,
                              size_t numDependencies,
                              const CUDA_MEMSET_NODE_PARAMS* memsetParams,
                              CUcontext ctx) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::FillNode(memsetParams, ctx));
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS* nodeParams) {
  return Tell(hNode, nodeParams);
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS* nodeParams) {
  return Set(hNode, graph::FillNode(nodeParams, nullptr));
}

// ---- words of memory ----------------------------------------------------------------------------

CUresult cuGraphAddBatchMemOpNode(CUgraphNode* phGraphNode,
                                  CUgraph hGraph,
                                  const CUgraphNode* dependencies,
                                  size_t numDependencies,
                                  const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::MemoryOperationsNode(nodeParams));
}

CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode hNode,
                                        CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams_out) {
  return Tell(hNode, nodeParams_out);
}

CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode hNode,
                                        const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return Set(hNode, graph::MemoryOperationsNode(nodeParams));
}

// ---- functions of the program, events, graphs ---------------------------------------------------

CUresult cuGraphAddHostNode(CUgraphNode* phGraphNode,
                            CUgraph hGraph,
                            const CUgraphNode* dependencies,
                            size_t numDependencies,
                            const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::HostNode(nodeParams));
}

CUresult cuGraphHostNodeGetParams(CUgraphNode hNode, CUDA_HOST_NODE_PARAMS* nodeParams) {
  return Tell(hNode, nodeParams);
}

CUresult cuGraphHostNodeSetParams(CUgraphNode hNode, const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return Set(hNode, graph::HostNode(nodeParams));
}

CUresult cuGraphAddEventRecordNode(CUgraphNode* phGraphNode,
                                   CUgraph hGraph,
                                   const CUgraphNode* dependencies,
                                   size_t numDependencies,
                                   CUevent event) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::RecordNode(event));
}

CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode hNode, CUevent* event_out) {
  return TellEvent(hNode, CU_GRAPH_NODE_TYPE_EVENT_RECORD, event_out);
}

CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode hNode, CUevent event) {
  return Set(hNode, graph::RecordNode(event));
}

CUresult cuGraphAddEventWaitNode(CUgraphNode* phGraphNode,
                                 CUgraph hGraph,
                                 const CUgraphNode* dependencies,
                                 size_t numDependencies,
                                 CUevent event) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies}, graph::WaitNode(event));
}

CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode hNode, CUevent* event_out) {
  return TellEvent(hNode, CU_GRAPH_NODE_TYPE_WAIT_EVENT, event_out);
}

CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode hNode, CUevent event) {
  return Set(hNode, graph::WaitNode(event));
}

CUresult cuGraphAddChildGraphNode(CUgraphNode* phGraphNode,
                                  CUgraph hGraph,
                                  const CUgraphNode* dependencies,
                                  size_t numDependencies,
                                  CUgraph childGraph) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
             graph::ChildNode(childGraph));
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode hNode, CUgraph* phGraph) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  uint64_t graph = 0;
  FARLANE_SOFT_TRY(phGraph == nullptr ? CUDA_ERROR_INVALID_VALUE
                                      : call.driver->graphs().ChildOf(HandleNumber(hNode), &graph));
  *phGraph = AsHandle<CUgraph>(graph);
  return CUDA_SUCCESS;
}

// ---- memory -------------------------------------------------------------------------------------

CUresult cuGraphAddMemAllocNode(CUgraphNode* phGraphNode,
                                CUgraph hGraph,
                                const CUgraphNode* dependencies,
                                size_t numDependencies,
                                CUDA_MEM_ALLOC_NODE_PARAMS* nodeParams) {
  FARLANE_SOFT_TRY(Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies},
                       graph::AllocNode(nodeParams)));
  return TellAddress(*phGraphNode, CU_GRAPH_NODE_TYPE_MEM_ALLOC, &nodeParams->dptr);
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS* params_out) {
  return Tell(hNode, params_out);
}

CUresult cuGraphAddMemFreeNode(CUgraphNode* phGraphNode,
                               CUgraph hGraph,
                               const CUgraphNode* dependencies,
                               size_t numDependencies,
                               CUdeviceptr dptr) {
  return Add(phGraphNode, hGraph, {dependencies, nullptr, numDependencies}, graph::FreeNode(dptr));
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode hNode, CUdeviceptr* dptr_out) {
  return TellAddress(hNode, CU_GRAPH_NODE_TYPE_MEM_FREE, dptr_out);
}

CUresult cuDeviceGraphMemTrim(CUdevice device) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* found = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, device, &found));
  return call.driver->graph_memory().Trim(device);
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void* value) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* found = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, device, &found));
  return call.driver->graph_memory().Tell(device, attr, value);
}

CUresult cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attr, void* value) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const Device* found = nullptr;
  FARLANE_SOFT_TRY(FindDevice(call, device, &found));
  return call.driver->graph_memory().Set(device, attr, value);
}

}  // namespace farlane::soft
