// SPDX-License-Identifier: Apache-2.0
// GraphExec is a graph made ready to run: the server's driver has it, and a launch is one message.
#pragma once

#include <vector>

#include "client-shim/object_scopes.h"

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
// The place of a node in what is ready to run; null if it is not in it.
graph::Step* FindStep(Session& session, CUgraphExec exec, CUgraphNode node);

// Where the nodes of a graph that is recorded go.
struct RecordingPlace {
  wire::Handle exec = 0;
  wire::Handle stream = 0;
  wire::Handle context = 0;
};

// Posts nodes, each behind the list of those it follows. False if there are too many streams for a
// body to get one: then something is lacking.
bool PostSteps(Session& session,
               const RecordingPlace& place,
               const std::vector<graph::Step>& steps);
// The server has to be told of a step that is another one now; the next launch does.
void NoteChange(Session& session, CUgraphExec exec);
// Gives what is in a child graph node the parameters of a graph of the same shape.
CUresult SetExecChild(Session& session, CUgraphExec exec, CUgraphNode node, CUgraph child);
// Kernels, copies and fills can be left out of launches.
CUresult SetEnabled(const SessionScope& scope,
                    CUgraphExec exec,
                    CUgraphNode node,
                    unsigned int enabled);
CUresult TellEnabled(const SessionScope& scope,
                     CUgraphExec exec,
                     CUgraphNode node,
                     unsigned int* enabled);
// The older form of UpdateGraphExec.
CUresult UpdateGraphExec(const CallScope& scope,
                         CUgraphExec exec,
                         CUgraph graph,
                         CUgraphNode* error_node,
                         CUgraphExecUpdateResult* update_result);
CUresult TellFlags(const CallScope& scope, CUgraphExec exec, cuuint64_t* flags);

}  // namespace farlane::shim
