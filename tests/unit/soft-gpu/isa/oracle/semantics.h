// SPDX-License-Identifier: Apache-2.0
// Semantics says what an instruction must give for given operands, written from the words of the
// PTX ISA and sharing nothing with the compiler under test. Values travel as raw bits. Where the
// ISA leaves something open, the row's comment says what is taken.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "tests/unit/soft-gpu/isa/oracle/exact_number.h"
#include "tests/unit/soft-gpu/isa/oracle/variant.h"

namespace farlane::soft::isa {

// What a result must be: these bits, or, where `allowed` is not 0, anything as close to `number`.
struct Expected {
  uint64_t bits = 0;
  double number = 0;
  double allowed = 0;
  bool either_zero = false;  // the sign of a zero is left open
  bool is_open = false;      // anything is right
  bool is_this_nan = false;  // not any NaN, but these bits
  uint64_t open_bits = 0;    // bits that may be anything
};

constexpr unsigned kInputsMax = 5;

// One execution of an instruction.
// Thread: caller's.
struct Call {
  const Variant& variant;
  ptx::Type type;  // the first; of a packed one the element, where the row works on lanes
  std::array<uint64_t, kInputsMax> in{};
  bool carry_in = false;
  std::array<Expected, 2> out{};  // the results; of a row by lane the lanes of its only one
  bool carry_out = false;

  bool Has(ptx::Modifier modifier) const { return variant.Has(modifier); }
};

// Which variants of an opcode it is for, what goes in and out, and what it computes.
// Letters: m the first type, w that of .wide, s the second type, t the third, b 32 bits, f f32, p a
// predicate.
struct Row {
  ptx::Opcode opcode;
  bool (*fits)(const Variant& variant);
  std::string_view results;
  std::string_view inputs;
  bool by_lane;  // a packed type is done element by element
  void (*compute)(Call& call);
};

std::span<const Row> IntegerSemantics();
std::span<const Row> BitSemantics();
std::span<const Row> FloatSemantics();
std::span<const Row> ApproximateSemantics();
std::span<const Row> CompareSemantics();
std::span<const Row> ConvertSemantics();
std::span<const Row> VideoSemantics();

// The row for a variant; null if there is none.
const Row* FindRowOrNull(const Variant& variant);

ptx::Type TypeOfLetter(const Variant& variant, char letter);

// Whether the variant reads or writes the carry flag.
bool TakesCarry(const Variant& variant);
bool GivesCarry(const Variant& variant);

// Runs a row on inputs that are cut to the widths of their types.
void Compute(const Row& row, Call& call);

// ---- pieces the rows are made of ----

bool AnyVariant(const Variant& variant);
// Whether the (element of the) first type is of that kind.
bool OfIntegers(const Variant& variant);
bool OfFloats(const Variant& variant);

uint64_t Truncate(uint64_t bits, unsigned width);
int64_t SignExtend(uint64_t bits, unsigned width);
Rounding RoundingOf(const Variant& variant);
// An operand as the operation sees it: a subnormal is zero under .ftz.
ExactNumber Operand(const Call& call, uint64_t bits, ptx::Type type);
// The register's contents for a result: rounded, then .ftz, .sat and .relu.
Expected Result(const Call& call, const ExactNumber& number, ptx::Type type);

}  // namespace farlane::soft::isa
