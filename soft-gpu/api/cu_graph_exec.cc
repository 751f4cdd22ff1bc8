// SPDX-License-Identifier: Apache-2.0
// Graphs made ready to run: instantiate, update, launch.
#include "protocol/abi/driver_environment.h"
#include "protocol/graph/step_lists.h"
#include "soft-gpu/api/start.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kFlagsKnown =
    CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
    CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;

using graph::Steps;

CUresult FindExec(const PlainCall& call, CUgraphExec handle, std::shared_ptr<GraphExec>* exec) {
  *exec = call.driver->graph_execs().Find(HandleNumber(handle));
  return *exec == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult Instantiate(CUgraph graph, uint64_t flags, CUgraphExec* handle) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  if (handle == nullptr || (flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  auto exec = std::make_shared<GraphExec>();
  Steps steps;
  FARLANE_SOFT_TRY(call.driver->graphs().Steps(HandleNumber(graph), &steps));
  exec->steps.With([&](Steps& held) { held = std::move(steps); });
  exec->MakeConditions();
  exec->kernels_run = !call.driver->config().null_mode;
  exec->objects = call.driver->graphs().ObjectsOf(HandleNumber(graph));
  exec->flags = abi::DriverEnvironment::OfProgram().InstantiateFlags(flags);
  exec->handle = call.driver->graph_execs().Mint();
  call.driver->graph_execs().Set(exec->handle, exec);
  *handle = AsHandle<CUgraphExec>(exec->handle);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuGraphInstantiateWithFlags(CUgraphExec* phGraphExec,
                                     CUgraph hGraph,
                                     unsigned long long flags) {
  return Instantiate(hGraph, flags, phGraphExec);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec* phGraphExec,
                                      CUgraph hGraph,
                                      CUDA_GRAPH_INSTANTIATE_PARAMS* instantiateParams,
                                      CUstream) {
  if (instantiateParams == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUresult result = Instantiate(hGraph, instantiateParams->flags, phGraphExec);
  instantiateParams->hErrNode_out = nullptr;
  const auto is_idle = [hGraph] {
    return Driver::Get() != nullptr &&
           Driver::Get()->graphs().HasIdleConditions(HandleNumber(hGraph));
  };
  instantiateParams->result_out = result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS
                                  : is_idle() ? CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED
                                              : CUDA_GRAPH_INSTANTIATE_ERROR;
  return result;
}

CUresult cuGraphExecGetFlags(CUgraphExec hGraphExec, cuuint64_t* flags) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<GraphExec> exec;
  FARLANE_SOFT_TRY(FindExec(call, hGraphExec, &exec));
  *flags = exec->flags;
  return CUDA_SUCCESS;
}

CUresult cuGraphUpload(CUgraphExec hGraph, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<GraphExec> exec;
  FARLANE_SOFT_TRY(FindExec(call, hGraph, &exec));
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  return RefuseCaptured(call, use);  // all of a graph is where it runs anyway
}

CUresult cuGraphLaunch(CUgraphExec hGraph, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<GraphExec> exec;
  FARLANE_SOFT_TRY(FindExec(call, hGraph, &exec));
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  FARLANE_SOFT_TRY(RefuseCaptured(call, use));
  if (call.driver->graph_memory().any()) {
    const bool frees_first = (exec->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) != 0;
    FARLANE_SOFT_TRY(exec->steps.With([&](const Steps& steps) {
      return call.driver->graph_memory().Launch(steps, frees_first);
    }));
  }
  Work work;
  // What the graph needs lives until all of it has run.
  const auto goes_on = [context = use.context] { return context->alive(); };
  work.run = [exec, run = exec->Prepare(goes_on)] { return run(); };
  return Start(call, use, std::move(work));
}

CUresult cuGraphExecDestroy(CUgraphExec hGraphExec) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  return call.driver->graph_execs().Take(HandleNumber(hGraphExec)) == nullptr
             ? CUDA_ERROR_INVALID_VALUE
             : CUDA_SUCCESS;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec hGraphExec,
                              CUgraph hGraph,
                              CUgraphExecUpdateResultInfo* resultInfo) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (resultInfo == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<GraphExec> exec;
  FARLANE_SOFT_TRY(FindExec(call, hGraphExec, &exec));
  Steps steps;
  FARLANE_SOFT_TRY(call.driver->graphs().Steps(HandleNumber(hGraph), &steps));
  *resultInfo = CUgraphExecUpdateResultInfo{};
  const CUresult result = exec->steps.With([&](Steps& held) {
    size_t place = steps.size();
    resultInfo->result = held.size() == steps.size() ? graph::CompareSteps(held, 0, steps, &place)
                                                     : CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    if (resultInfo->result == CU_GRAPH_EXEC_UPDATE_SUCCESS) {
      graph::TakeOverSteps(steps, 0, &held);
      return CUDA_SUCCESS;
    }
    if (place < steps.size()) {
      resultInfo->errorNode = AsHandle<CUgraphNode>(steps[place].node);
    }
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  });
  exec->MakeConditions();
  return result;
}

CUresult cuGraphExecUpdate(CUgraphExec hGraphExec,
                           CUgraph hGraph,
                           CUgraphNode* hErrorNode_out,
                           CUgraphExecUpdateResult* updateResult_out) {
  CUgraphExecUpdateResultInfo info{};
  const CUresult result = cuGraphExecUpdate_v2(hGraphExec, hGraph, &info);
  if (hErrorNode_out != nullptr) {
    *hErrorNode_out = info.errorNode;
  }
  if (updateResult_out != nullptr) {
    *updateResult_out = info.result;
  }
  return result;
}

}  // namespace farlane::soft
