// SPDX-License-Identifier: Apache-2.0
// What is done to graphs that are ready to run, as lists of steps: a step is found, lists are
// compared, and one takes over what another one's nodes do.
#pragma once

#include <vector>

#include "protocol/graph/graphs.h"

namespace farlane::graph {

using Steps = std::vector<Step>;

// Where a step stands: in a list, or in a body somewhere in it. Thread: caller's.
struct StepPlace {
  Steps* list = nullptr;  // null: nowhere
  size_t place = 0;

  Step& step() const { return (*list)[place]; }
};

StepPlace FindStep(Steps& steps, wire::Handle node);

// Whether steps are of the same kinds and in the same order, those in bodies too. `first`: the
// place at which those of `ours` begin that are compared. `place`: the first of `theirs` that does
// not fit; as many as there are if one list is longer.
CUgraphExecUpdateResult CompareSteps(const Steps& ours,
                                     size_t first,
                                     const Steps& theirs,
                                     size_t* place);

// Of lists that CompareSteps has found to be alike.
void TakeOverSteps(const Steps& theirs, size_t first, Steps* ours);

}  // namespace farlane::graph
