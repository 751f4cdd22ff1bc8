// SPDX-License-Identifier: Apache-2.0
// Nodes of graphs that the program describes by itself: made, looked at and changed, in a graph or
// in one that is ready to run. Nothing of this travels; the server gets the nodes when a graph is
// made ready, and again before its next launch if they were changed since.
#pragma once

#include <optional>

#include "client-shim/graph_calls.h"
#include "protocol/graph/node_params.h"

namespace farlane::shim {

// A description; none where the program passed no pointer.
using NodeDescription = std::optional<CUgraphNodeParams>;

CUresult AddNode(const SessionScope& scope,
                 CUgraph graph,
                 const NodeList& after,
                 const NodeDescription& description,
                 wire::Handle* node);
// The next node of a stream that is captured.
CUresult AppendNode(const CallScope& scope, CUstream stream, const NodeDescription& description);
CUresult SetNode(const SessionScope& scope, CUgraphNode node, const NodeDescription& description);
CUresult SetExecNode(const SessionScope& scope,
                     CUgraphExec exec,
                     CUgraphNode node,
                     const NodeDescription& description);

// The description of a node; `give` writes it in the caller's form.
template <typename Give>
CUresult TellNode(const SessionScope& scope, CUgraphNode node, Give&& give) {
  const graph::CommandPtr command = scope.session().graphs().CommandOf(ToWire(node));
  return command == nullptr || command->params == nullptr ? CUDA_ERROR_INVALID_VALUE
                                                          : give(*command->params);
}

template <typename Params>
CUresult TellParams(const SessionScope& scope, CUgraphNode node, Params* to) {
  return TellNode(scope, node,
                  [to](const graph::NodeParams& params) { return graph::Give(params, to); });
}

CUresult TellEvent(const SessionScope& scope, CUgraphNode node, CUgraphNodeType type, CUevent* to);

CUresult TellNodeAttribute(const SessionScope& scope,
                           CUgraphNode node,
                           CUkernelNodeAttrID id,
                           CUkernelNodeAttrValue* value);
CUresult SetNodeAttribute(const SessionScope& scope,
                          CUgraphNode node,
                          CUkernelNodeAttrID id,
                          const CUkernelNodeAttrValue* value);
CUresult CopyNodeAttributes(const SessionScope& scope, CUgraphNode to, CUgraphNode from);

CUresult PrintGraph(const SessionScope& scope, CUgraph graph, const char* path, unsigned int flags);

}  // namespace farlane::shim
