// SPDX-License-Identifier: Apache-2.0
// Where a thread may be waiting for another one without saying so: it turns in a loop until a place
// in memory has changed. Threads of a block are not preempted, so each must let the others run
// there. A loop taken for one that is none costs time; one that is overlooked never ends.
#pragma once

#include <vector>

#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::jit {

// By instruction: a branch back over something that looks at what others write. That is a volatile,
// relaxed or acquiring load, a compare-and-swap or an exchange; and an atomic operation that leaves
// memory as it is when it is done again (or, and, min, max, and adding 0), where what it brings
// decides whether the loop is left.
std::vector<bool> FindSpins(const ptx::Body& body);

}  // namespace farlane::soft::jit
