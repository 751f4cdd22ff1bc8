// SPDX-License-Identifier: Apache-2.0
// Constant is the value of a literal or of a constant expression, with PTX's rules of arithmetic:
// 64-bit integers, signed unless marked U or too big, and doubles.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/lexer.h"

namespace farlane::soft::ptx {

// Thread: caller's.
struct Constant {
  ImmediateKind kind = ImmediateKind::kSigned;
  uint64_t bits = 0;

  static Constant Signed(int64_t value) {
    return {ImmediateKind::kSigned, static_cast<uint64_t>(value)};
  }

  static Constant Unsigned(uint64_t value) { return {ImmediateKind::kUnsigned, value}; }

  static Constant Float(double value);

  bool is_integer() const {
    return kind == ImmediateKind::kSigned || kind == ImmediateKind::kUnsigned;
  }

  // The value as a double, whatever the kind.
  double AsDouble() const;
};

// The value of one literal: 12, 0x1F, 017, 0b11, 12U, 1.5, 1e3, 0f3F800000, 0d3FF0000000000000.
// False for anything else.
bool ParseLiteral(std::string_view text, Constant* value);

// Reads a constant expression at the lexer's token; leaves the lexer behind it.
Result<Constant> ReadConstant(Lexer& lexer);

// Reads an expression that must be an integer.
Result<int64_t> ReadInteger(Lexer& lexer);

// The little-endian memory image of a constant as a value of `type` (at most 8 bytes wide):
// integers are cut, floats rounded to the type. An integer 1 for an f32 becomes 1.0f, a float for
// a bit type keeps its own bits.
uint64_t EncodeConstant(const Constant& value, Type type);

}  // namespace farlane::soft::ptx
