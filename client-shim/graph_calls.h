// SPDX-License-Identifier: Apache-2.0
// What the generated bodies of calls about captures and graphs do.
#pragma once

#include "client-shim/call_scope.h"
#include "client-shim/graph_execs.h"
#include "client-shim/object_scopes.h"

namespace farlane::shim {

// Nodes with the edges that lead from them, as a program passes them; `data` may be null.
struct NodeList {
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* data = nullptr;
  size_t count = 0;
};

// False when there should be nodes and are none.
bool ReadNodes(const NodeList& list, graph::Predecessors* edges);

CUresult BeginCapture(const CallScope& scope, CUstream stream, CUstreamCaptureMode mode);
CUresult BeginCaptureTo(const CallScope& scope,
                        CUstream stream,
                        CUstreamCaptureMode mode,
                        CUgraph graph,
                        const NodeList& after);
CUresult EndCapture(const CallScope& scope, CUstream stream, wire::Handle* graph);
CUresult TellCapture(const CallScope& scope, CUstream stream, const graph::CaptureAnswers& to);
CUresult UpdateCapture(const CallScope& scope,
                       CUstream stream,
                       const NodeList& nodes,
                       unsigned int flags);

CUresult CreateGraph(const SessionScope& scope, wire::Handle* graph);
CUresult TellNodeType(const SessionScope& scope, CUgraphNode node, CUgraphNodeType* type);

}  // namespace farlane::shim
