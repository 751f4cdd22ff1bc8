// SPDX-License-Identifier: Apache-2.0
// GraphExec is a graph made ready to run: the server's driver has it, and a launch is one message.
#pragma once

#include <vector>

#include "client-shim/call_scope.h"

namespace farlane::shim {

// Has the graph recorded and made ready on the server, and waits for what the driver says.
CUresult InstantiateGraph(const CallScope& scope,
                          wire::Handle graph,
                          uint64_t flags,
                          wire::Handle* exec);
// `default_stream` is where it is uploaded if the parameters name no stream of the program's own.
CUresult InstantiateGraphWith(const CallScope& scope,
                              CUgraph graph,
                              CUDA_GRAPH_INSTANTIATE_PARAMS* parameters,
                              CUstream default_stream,
                              wire::Handle* exec);
CUresult LaunchGraph(const CallScope& scope, CUgraphExec exec, CUstream stream);
CUresult UploadGraph(const CallScope& scope, CUgraphExec exec, CUstream stream);
CUresult DestroyGraphExec(const CallScope& scope, CUgraphExec exec);
CUresult UpdateGraphExec(const CallScope& scope,
                         CUgraphExec exec,
                         CUgraph graph,
                         CUgraphExecUpdateResultInfo* info);
CUresult TellFlags(const CallScope& scope, CUgraphExec exec, cuuint64_t* flags);

}  // namespace farlane::shim
