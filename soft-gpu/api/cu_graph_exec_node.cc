// SPDX-License-Identifier: Apache-2.0
// Nodes of graphs that are ready to run: changed, left out, asked about.
#include "protocol/graph/step_lists.h"
#include "soft-gpu/api/node_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

using graph::Steps;

// Runs `use` with the place of the step that a node is.
template <typename Use>
CUresult WithStep(CUgraphExec handle, CUgraphNode node, Use&& use) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto exec = call.driver->graph_execs().Find(HandleNumber(handle));
  if (exec == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return exec->steps.With([&](Steps& steps) {
    const graph::StepPlace place = graph::FindStep(steps, HandleNumber(node));
    return place.list == nullptr ? CUDA_ERROR_INVALID_VALUE : use(place);
  });
}

CUresult SetChild(const graph::StepPlace& place, CUgraph graph) {
  Steps inner;
  FARLANE_SOFT_TRY(Driver::Get()->graphs().Steps(HandleNumber(graph), &inner));
  const graph::Step& step = place.step();
  const size_t first = place.place - step.inside;
  size_t misfit = 0;
  if (step.command->type != CU_GRAPH_NODE_TYPE_GRAPH || inner.size() != step.inside ||
      graph::CompareSteps(*place.list, first, inner, &misfit) != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  graph::TakeOverSteps(inner, first, place.list);
  return CUDA_SUCCESS;
}

bool IsDevice(CUdeviceptr address) {
  AddressSpace& space = Driver::Get()->space();
  const auto range = space.table().Find(address);
  return space.window().Contains(address, 1) || (range && !range->host());
}

CUresult Set(CUgraphExec exec, CUgraphNode node, const NodeDescription& description) {
  return WithStep(exec, node, [&](const graph::StepPlace& place) {
    graph::Step& step = place.step();
    if (!description.has_value()) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (description->type == CU_GRAPH_NODE_TYPE_GRAPH) {
      return SetChild(place, description->graph.graph);
    }
    if (step.command->params == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    FARLANE_SOFT_TRY(graph::CheckReplaces(*step.command->params, *description, &IsDevice));
    graph::CommandPtr made;
    FARLANE_SOFT_TRY(MakeReplacement(step.command, description, &made));
    step.command = std::move(made);
    return CUDA_SUCCESS;
  });
}

bool CanBeLeftOut(const graph::Step& step) {
  return step.command->type == CU_GRAPH_NODE_TYPE_KERNEL ||
         step.command->type == CU_GRAPH_NODE_TYPE_MEMCPY ||
         step.command->type == CU_GRAPH_NODE_TYPE_MEMSET;
}

}  // namespace

CUresult cuGraphNodeSetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled) {
  return WithStep(hGraphExec, hNode, [&](const graph::StepPlace& place) {
    graph::Step& step = place.step();
    if (!CanBeLeftOut(step)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    step.enabled = isEnabled != 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphNodeGetEnabled(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int* isEnabled) {
  return WithStep(hGraphExec, hNode, [&](const graph::StepPlace& place) {
    const graph::Step& step = place.step();
    if (isEnabled == nullptr || !CanBeLeftOut(step)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *isEnabled = step.enabled ? 1 : 0;
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphExecNodeSetParams(CUgraphExec hGraphExec,
                                  CUgraphNode hNode,
                                  CUgraphNodeParams* nodeParams) {
  return Set(hGraphExec, hNode, graph::AnyNode(nodeParams));
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec hGraphExec,
                                        CUgraphNode hNode,
                                        const CUDA_KERNEL_NODE_PARAMS_v1* nodeParams) {
  return Set(hGraphExec, hNode, graph::KernelNode(nodeParams));
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec hGraphExec,
                                           CUgraphNode hNode,
                                           const CUDA_KERNEL_NODE_PARAMS* nodeParams) {
  return Set(hGraphExec, hNode, graph::KernelNode(nodeParams));
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec hGraphExec,
                                        CUgraphNode hNode,
                                        const CUDA_MEMCPY3D* copyParams,
                                        CUcontext ctx) {
  return Set(hGraphExec, hNode, graph::CopyNode(copyParams, ctx));
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec hGraphExec,
                                        CUgraphNode hNode,
                                        const CUDA_MEMSET_NODE_PARAMS* memsetParams,
                                        CUcontext ctx) {
  return Set(hGraphExec, hNode, graph::FillNode(memsetParams, ctx));
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec hGraphExec,
                                      CUgraphNode hNode,
                                      const CUDA_HOST_NODE_PARAMS* nodeParams) {
  return Set(hGraphExec, hNode, graph::HostNode(nodeParams));
}

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec hGraphExec,
                                            CUgraphNode hNode,
                                            CUgraph childGraph) {
  return Set(hGraphExec, hNode, graph::ChildNode(childGraph));
}

CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec hGraphExec,
                                            CUgraphNode hNode,
                                            CUevent event) {
  return Set(hGraphExec, hNode, graph::RecordNode(event));
}

CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec hGraphExec,
                                          CUgraphNode hNode,
                                          CUevent event) {
  return Set(hGraphExec, hNode, graph::WaitNode(event));
}

CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec hGraphExec,
                                            CUgraphNode hNode,
                                            const CUDA_BATCH_MEM_OP_NODE_PARAMS* nodeParams) {
  return Set(hGraphExec, hNode, graph::MemoryOperationsNode(nodeParams));
}

}  // namespace farlane::soft
