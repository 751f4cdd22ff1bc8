// SPDX-License-Identifier: Apache-2.0
// How compiled code reaches memory: every address is checked before it is used. A generic or global
// address must lie in the device window (or, generic only, in the block's own arena), a shared or
// local one below its size, and each must be a multiple of what is accessed; else the thread
// faults. Nothing but CheckedPointer and CheckedPointerAt may turn a number of the program into a
// pointer.
#pragma once

#include "soft-gpu/jit/function_emitter.h"

namespace farlane::soft::jit {

// The state space an instruction names; kNone is generic.
ptx::Space SpaceOf(const ptx::Instruction& instruction);

// A pointer to `bytes` (a power of two) at the address an operand gives in `space`.
llvm::Value* CheckedPointer(FunctionEmitter& emitter,
                            const ptx::Operand& operand,
                            ptx::Space space,
                            uint32_t bytes);

// The number that is an operand's address in its space, not checked.
llvm::Value* AddressOfOperand(FunctionEmitter& emitter, const ptx::Operand& operand);

// The same as CheckedPointer for an address that is at hand; not for parameters of calls.
llvm::Value* CheckedPointerAt(FunctionEmitter& emitter,
                              llvm::Value* address,
                              ptx::Space space,
                              uint32_t bytes);

}  // namespace farlane::soft::jit
