// SPDX-License-Identifier: Apache-2.0
// Where threads exchange values through shared memory without waiting for each other. On a device
// the lanes of a warp that run the same code see each other's stores as if they went instruction by
// instruction together, and programs rely on it. Threads run one after another here, so each lets
// the others catch up where it turns from storing to loading or back.
// That orders lanes that run the same accesses equally often. It is no barrier: a thread that left,
// or took another way, is not waited for.
#pragma once

#include <vector>

#include "soft-gpu/jit/kernel_source.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::jit {

enum class Exchanges {
  kVolatile,  // the kernel has barriers: only accesses that it calls volatile go without
  kAll,       // the kernel never waits
};

Exchanges ExchangesOf(const KernelSource& source);

// By instruction: whether a thread lets the others catch up before it.
std::vector<bool> FindTurns(const ptx::Body& body, Exchanges exchanges);

bool HasTurns(const KernelSource& source);

// Whether threads meet there: a barrier, or an operation of the whole warp.
bool IsMeeting(const ptx::Instruction& instruction);

}  // namespace farlane::soft::jit
