// SPDX-License-Identifier: Apache-2.0
// Conversions that make or read several values in one register (f16x2, e4m3x2, cvt.pack …), and the
// steps they share with the others.
#pragma once

#include "soft-gpu/jit/function_emitter.h"
#include "soft-gpu/jit/narrow.h"

namespace farlane::soft::jit {

bool IsPackedConversion(const ptx::Instruction& instruction);
void EmitPackedConversion(FunctionEmitter& emitter, const ptx::Instruction& instruction);

// How the instruction's modifiers round to `type`.
NarrowForm FormOf(const ptx::Instruction& instruction, ptx::Type type);

// Narrow (narrow.h) of a float or double: 32 bits, of which the type's lowest count.
llvm::Value* CallNarrow(FunctionEmitter& emitter, llvm::Value* value, const NarrowForm& form);

// A float as f16 or bf16, rounded as the instruction says.
llvm::Value* RoundToHalf(FunctionEmitter& emitter,
                         const ptx::Instruction& instruction,
                         llvm::Value* single,
                         ptx::Type half);

}  // namespace farlane::soft::jit
