// SPDX-License-Identifier: Apache-2.0
// Conditions of graphs. Kernels are given a condition's number among their parameters, where nobody
// looks, so it is the driver's own: the server's driver has a graph for each of the program's that
// has conditions, and records that one in it each time that it is made ready.
#pragma once

#include "client-shim/graph_calls.h"

namespace farlane::shim {

// What a condition is at the beginning of a launch, if the flags say that it is anything.
struct ConditionStart {
  uint32_t value = 0;
  uint32_t flags = 0;
};

// `context`: null for the current one.
CUresult CreateCondition(const SessionScope& scope,
                         CUgraph graph,
                         CUcontext context,
                         const ConditionStart& start,
                         uint64_t* number);

CUresult DestroyGraph(const SessionScope& scope, CUgraph graph);

// Where a graph is recorded; null for one without conditions.
GraphHomePtr HomeOf(Session& session, wire::Handle graph);
// Somebody does not need it any more, or never did. To be called for each that HomeOf has given.
void LeaveHome(Session& session, const GraphHomePtr& home);

// A conditional node with what is in its bodies; false as PostSteps.
bool PostConditional(Session& session,
                     wire::Handle exec,
                     wire::Handle context,
                     const graph::Step& step);
// Whether the bodies of conditional nodes do nothing that needs the program: no driver runs that
// there.
CUresult CheckBodies(const std::vector<graph::Step>& steps);

}  // namespace farlane::shim
