// SPDX-License-Identifier: Apache-2.0
// Conversions between f32 and the 16-bit floats (f16, bf16), written as LLVM code.
#pragma once

#include "soft-gpu/jit/function_emitter.h"

namespace farlane::soft::jit {

// An f16 or bf16 value (as FunctionEmitter::Read gives it) as float; exact. `flushes`: subnormal
// halves become zero.
llvm::Value* WidenHalf(FunctionEmitter& emitter, llvm::Value* half, ptx::Type type, bool flushes);

// Rounds a float to the nearest half, ties to even.
llvm::Value* NarrowToHalf(FunctionEmitter& emitter,
                          llvm::Value* value,
                          ptx::Type type,
                          bool flushes);

// A double as the float between it and zero, with the last bit set if anything was cut off: a
// second rounding to a narrower type then gives what one rounding would have given.
llvm::Value* NarrowWithSticky(FunctionEmitter& emitter, llvm::Value* value);

}  // namespace farlane::soft::jit
