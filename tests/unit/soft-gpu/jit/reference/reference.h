// SPDX-License-Identifier: Apache-2.0
// The reference says what an instruction must give for given operands, written from the ISA's words
// in plain C++ and sharing no code with the JIT. Values travel as raw bits of 64-bit integers.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soft-gpu/ptx/modifier.h"
#include "soft-gpu/ptx/opcode.h"

namespace farlane::soft::reference {

// One way to write an opcode, e.g. add.sat.s32.
struct Variant {
  ptx::Opcode opcode = ptx::Opcode::kUnknown;
  std::vector<ptx::Modifier> modifiers;
  std::vector<ptx::Type> types;

  bool Has(ptx::Modifier modifier) const {
    for (const ptx::Modifier m : modifiers) {
      if (m == modifier) {
        return true;
      }
    }
    return false;
  }

  ptx::Type type() const { return types.empty() ? ptx::Type::kNone : types[0]; }

  std::string text() const;
};

// What comes out: bits of the result's type. A float may be any NaN where one is due, and may be
// off by `tolerance` (relative; absolute below 1) where the ISA gives a bound instead of bits.
struct Expected {
  uint64_t bits = 0;
  double tolerance = 0;
};

using Inputs = std::span<const uint64_t, 4>;

// The types of an opcode's operands and what it computes.
struct Row {
  ptx::Opcode opcode;
  bool for_floats;
  // m: the first type, w: twice that for .wide, s: the second type, 3: 32 bits, p: a predicate
  const char* result;
  const char* operands;
  Expected (*compute)(const Variant& variant, Inputs in);
};

std::span<const Row> IntegerReference();
std::span<const Row> BitReference();
std::span<const Row> FloatReference();
std::span<const Row> CompareReference();
std::span<const Row> ConvertReference();

// The row that covers a variant; null if there is none.
const Row* FindRowOrNull(const Variant& variant);

// The type of one letter of a row.
ptx::Type TypeOfLetter(const Variant& variant, char letter);

// Pieces of the rows: the bits as a number.
int64_t AsSigned(uint64_t bits, unsigned width);
uint64_t Truncate(uint64_t bits, unsigned width);
double AsFloat(uint64_t bits, ptx::Type type);
uint64_t BitsOfFloat(double value, ptx::Type type);
// Zero of the same sign for a subnormal f32, if the variant is .ftz.
float Flushed(float value, const Variant& variant);

// Sets the direction of .rz .rm .rp while it lives.
class Direction {
 public:
  explicit Direction(const Variant& variant);
  ~Direction();

 private:
  int before_;
};

}  // namespace farlane::soft::reference
