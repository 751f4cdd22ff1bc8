// SPDX-License-Identifier: Apache-2.0
// What a PTX text may ask of us. The text comes from a stranger, so each count has a bound with a
// reason; the largest real modules stay below a tenth of every one of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace farlane::soft::ptx {

// Offsets are 32 bits wide; the biggest module known has 26 MB.
constexpr size_t kTextBytesMax = size_t{256} << 20;

// 80 bytes each; the longest kernel known has 33 thousand.
constexpr size_t kInstructionsMax = size_t{2} << 20;

// Each declared register costs 4 bytes even if no instruction uses it (%r<N> is short to write).
constexpr uint64_t kRegistersMax = uint64_t{4} << 20;

// {} in {}: compilers nest once per inlined asm statement.
constexpr size_t kScopeDepthMax = 256;

// Widest operand list of the ISA: 128 registers of a wgmma accumulator. Calls have a few hundred.
constexpr size_t kOperandsMax = 4096;

// Parentheses and unary operators in a constant; the reader of expressions is recursive.
constexpr uint32_t kExpressionDepthMax = 64;

// x[2][3]…: each dimension is one level of nested braces in an initialiser, read recursively.
constexpr size_t kDimensionsMax = 16;

// Longest modifier list of the ISA has 12 words.
constexpr size_t kModifiersMax = 32;

// A kernel may have 32764 bytes of parameters.
constexpr size_t kParametersMax = 32764;

// More than any device has; keeps sums of sizes far from overflow.
constexpr uint64_t kVariableBytesMax = uint64_t{1} << 40;

// Initialised data is materialised, and `x[1<<30][2] = {{1}, {2}}` is short to write.
constexpr uint64_t kInitializedBytesMax = uint64_t{256} << 20;

}  // namespace farlane::soft::ptx
