// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/step_lists.h"

#include <algorithm>

namespace farlane::graph {
namespace {

// Conditional nodes may differ in their conditions, and in what the nodes of their bodies do.
CUgraphExecUpdateResult CompareBodies(const Step& ours, const Step& theirs) {
  if (ours.bodies.empty() && theirs.bodies.empty()) {
    return CU_GRAPH_EXEC_UPDATE_SUCCESS;
  }
  if (ours.bodies.size() != theirs.bodies.size() ||
      ours.command->params->value.conditional.type !=
          theirs.command->params->value.conditional.type) {
    return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
  }
  for (size_t i = 0; i < ours.bodies.size(); ++i) {
    size_t place = 0;
    const bool as_long = ours.bodies[i].size() == theirs.bodies[i].size();
    const CUgraphExecUpdateResult result =
        as_long ? CompareSteps(ours.bodies[i], 0, theirs.bodies[i], &place)
                : CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    if (result != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
      return result;
    }
  }
  return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

// Whether a step of a list that begins at `first` comes behind the same ones as one of a list of
// its own.
bool ComesBehindSame(const Step& ours, size_t first, const Step& theirs) {
  std::vector<uint32_t> after;
  for (const uint32_t one : ours.after) {
    if (one >= first) {
      after.push_back(static_cast<uint32_t>(one - first));
    }
  }
  std::vector<uint32_t> wanted = theirs.after;
  std::sort(after.begin(), after.end());
  std::sort(wanted.begin(), wanted.end());
  return after == wanted;
}

}  // namespace

StepPlace FindStep(Steps& steps, wire::Handle node) {
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].node == node) {
      return {.list = &steps, .place = i};
    }
    for (Steps& body : steps[i].bodies) {
      const StepPlace found = FindStep(body, node);
      if (found.list != nullptr) {
        return found;
      }
    }
  }
  return {};
}

CUgraphExecUpdateResult CompareSteps(const Steps& ours,
                                     size_t first,
                                     const Steps& theirs,
                                     size_t* place) {
  *place = theirs.size();
  if (ours.size() - first < theirs.size()) {
    return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  }
  for (size_t i = 0; i < theirs.size(); ++i) {
    const Step& mine = ours[first + i];
    *place = i;
    if (mine.command->type != theirs[i].command->type) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    }
    if (mine.command->block != theirs[i].command->block) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;  // each has memory of its own
    }
    if (!ComesBehindSame(mine, first, theirs[i])) {
      return CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    }
    const CUgraphExecUpdateResult bodies = CompareBodies(mine, theirs[i]);
    if (bodies != CU_GRAPH_EXEC_UPDATE_SUCCESS) {
      return bodies;
    }
  }
  return CU_GRAPH_EXEC_UPDATE_SUCCESS;
}

void TakeOverSteps(const Steps& theirs, size_t first, Steps* ours) {
  for (size_t i = 0; i < theirs.size(); ++i) {
    Step& mine = (*ours)[first + i];
    mine.command = theirs[i].command;
    mine.condition = theirs[i].condition;
    for (size_t body = 0; body < theirs[i].bodies.size(); ++body) {
      TakeOverSteps(theirs[i].bodies[body], 0, &mine.bodies[body]);
    }
  }
}

}  // namespace farlane::graph
