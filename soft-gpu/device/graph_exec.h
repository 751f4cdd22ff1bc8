// SPDX-License-Identifier: Apache-2.0
// What runs when a graph is launched: WorkCommand is one node, GraphExec a graph as it was when it
// was made ready.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "protocol/base/guarded.h"
#include "protocol/graph/graphs.h"
#include "soft-gpu/exec/conditions.h"

namespace farlane::soft {

using NodeRun = std::function<CUresult()>;

// Every command of this driver's graphs is one of these.
// Thread: immutable.
struct WorkCommand : graph::Command {
  using Command::Command;

  // Null for a node that does nothing.
  NodeRun run;
  // Makes what runs in one launch, at the launch; null where every launch does the same.
  std::function<NodeRun()> prepare;
};

inline const WorkCommand& WorkOf(const graph::CommandPtr& command) {
  return static_cast<const WorkCommand&>(*command);
}

// Thread: any, guarded.
struct GraphExec {
  uint64_t handle = 0;
  uint64_t flags = 0;
  bool kernels_run = true;  // else no condition ever changes, and nothing waits until it does
  graph::ObjectHolds objects;
  Guarded<std::vector<graph::Step>> steps;
  // Shared with launches under way; another one when other conditions come by an update.
  Guarded<std::shared_ptr<Conditions>> conditions;

  // After the steps were set: gives their conditions a place. Those that were there keep what they
  // have.
  void MakeConditions();

  // All of one launch, one node after another. `goes_on`: false once nobody wants the work any
  // more, so that what is repeated ends.
  NodeRun Prepare(std::function<bool()> goes_on) const;
};

}  // namespace farlane::soft
