// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "tests/unit/soft-gpu/jit/reference/reference.h"

namespace farlane::soft::reference {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;

// Less, equal, greater or not to be ordered.
enum class Order { kLess, kEqual, kGreater, kNone };

template <typename T>
Order Compare(T a, T b) {
  return a < b ? Order::kLess : a == b ? Order::kEqual : a > b ? Order::kGreater : Order::kNone;
}

Order OrderOf(const Variant& v, Type type, Inputs in, bool as_unsigned) {
  if (type == Type::kF64) {
    return Compare(AsFloat(in[0], type), AsFloat(in[1], type));
  }
  if (type == Type::kF32) {
    return Compare(Flushed(static_cast<float>(AsFloat(in[0], type)), v),
                   Flushed(static_cast<float>(AsFloat(in[1], type)), v));
  }
  const unsigned width = ptx::BitsOf(type);
  if (ptx::IsSigned(type) && !as_unsigned) {
    return Compare(AsSigned(in[0], width), AsSigned(in[1], width));
  }
  return Compare(Truncate(in[0], width), Truncate(in[1], width));
}

struct Name {
  Modifier modifier;
  const char* holds;  // for l e g and n(one)
  bool as_unsigned = false;
};

constexpr Name kNames[] = {
    {Modifier::kEq, "e"},        {Modifier::kNe, "lg"},       {Modifier::kLt, "l"},
    {Modifier::kLe, "le"},       {Modifier::kGt, "g"},        {Modifier::kGe, "ge"},
    {Modifier::kLo, "l", true},  {Modifier::kLs, "le", true}, {Modifier::kHi, "g", true},
    {Modifier::kHs, "ge", true}, {Modifier::kEqu, "en"},      {Modifier::kNeu, "lgn"},
    {Modifier::kLtu, "ln"},      {Modifier::kLeu, "len"},     {Modifier::kGtu, "gn"},
    {Modifier::kGeu, "gen"},     {Modifier::kIsNum, "leg"},   {Modifier::kIsNan, "n"},
};

bool Holds(const Variant& v, Type type, Inputs in) {
  for (const Name& name : kNames) {
    if (v.Has(name.modifier)) {
      const char letter = "legn"[static_cast<int>(OrderOf(v, type, in, name.as_unsigned))];
      return std::string(name.holds).find(letter) != std::string::npos;
    }
  }
  return false;
}

bool Joined(const Variant& v, bool result, bool with) {
  if (v.Has(Modifier::kAnd)) {
    return result && with;
  }
  if (v.Has(Modifier::kOr)) {
    return result || with;
  }
  return v.Has(Modifier::kXor) ? result != with : result;
}

Expected Setp(const Variant& v, Inputs in) {
  return {Joined(v, Holds(v, v.type(), in), (in[2] & 1) != 0)};
}

Expected Set(const Variant& v, Inputs in) {
  const bool result = Joined(v, Holds(v, v.types[1], in), (in[2] & 1) != 0);
  if (v.type() == Type::kF32) {
    return {result ? BitsOfFloat(1, Type::kF32) : 0};
  }
  return {result ? Truncate(~uint64_t{0}, ptx::BitsOf(v.type())) : 0};
}

Expected Selp(const Variant& v, Inputs in) {
  return {Truncate((in[2] & 1) != 0 ? in[0] : in[1], ptx::BitsOf(v.type()))};
}

Expected Slct(const Variant& v, Inputs in) {
  const bool first = v.types[1] == Type::kF32
                         ? Flushed(static_cast<float>(AsFloat(in[2], Type::kF32)), v) >= 0
                         : AsSigned(in[2], 32) >= 0;
  return {Truncate(first ? in[0] : in[1], ptx::BitsOf(v.type()))};
}

constexpr Row kRows[] = {
    {Opcode::kSetp, false, "p", "mmp", Setp}, {Opcode::kSetp, true, "p", "mmp", Setp},
    {Opcode::kSet, false, "m", "ssp", Set},   {Opcode::kSet, true, "m", "ssp", Set},
    {Opcode::kSelp, false, "m", "mmp", Selp}, {Opcode::kSelp, true, "m", "mmp", Selp},
    {Opcode::kSlct, false, "m", "mms", Slct}, {Opcode::kSlct, true, "m", "mms", Slct},
};

}  // namespace

std::span<const Row> CompareReference() {
  return kRows;
}

}  // namespace farlane::soft::reference
