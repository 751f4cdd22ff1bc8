// SPDX-License-Identifier: Apache-2.0
// Video instructions: an operation on one, two or four small integers of each operand, clamped,
// then maybe a second one. All is computed with so many bits that nothing is lost before the clamp.
#include <algorithm>

#include "soft-gpu/jit/emitter_table.h"

namespace farlane::soft::jit {
namespace {

using llvm::APInt;
using llvm::CmpInst;
using ptx::Modifier;
using ptx::Opcode;
using ptx::Operand;
using ptx::Selector;
using ptx::Type;
using V = llvm::Value*;

constexpr unsigned kWideBits = 64;     // holds every sum of 32-bit numbers
constexpr unsigned kProductBits = 80;  // and every product with its addend

// Number of parts an opcode works on.
unsigned LanesOf(Opcode opcode) {
  switch (opcode) {
    case Opcode::kVadd2:
    case Opcode::kVsub2:
    case Opcode::kVavrg2:
    case Opcode::kVabsdiff2:
    case Opcode::kVmin2:
    case Opcode::kVmax2:
    case Opcode::kVset2:
      return 2;
    case Opcode::kVadd4:
    case Opcode::kVsub4:
    case Opcode::kVavrg4:
    case Opcode::kVabsdiff4:
    case Opcode::kVmin4:
    case Opcode::kVmax4:
    case Opcode::kVset4:
      return 4;
    default:
      return 1;
  }
}

struct Comparison {
  Modifier name;
  CmpInst::Predicate predicate;
};

constexpr Comparison kComparisons[] = {
    {Modifier::kEq, CmpInst::ICMP_EQ},  {Modifier::kNe, CmpInst::ICMP_NE},
    {Modifier::kLt, CmpInst::ICMP_SLT}, {Modifier::kLe, CmpInst::ICMP_SLE},
    {Modifier::kGt, CmpInst::ICMP_SGT}, {Modifier::kGe, CmpInst::ICMP_SGE},
};

// One video instruction.
// Thread: the compiling one.
class Video {
 public:
  Video(FunctionEmitter& emitter, const ptx::Instruction& instruction)
      : e_(emitter), ir_(emitter.ir()), i_(instruction), lanes_(LanesOf(instruction.opcode)) {
    // vset names no type for its result: it is unsigned.
    const bool names_result = i_.type_count == 3;
    result_ = names_result ? i_.types[0] : Type::kU32;
    a_ = i_.types[names_result ? 1 : 0];
    b_ = i_.types[names_result ? 2 : 1];
  }

  void Run() {
    if (i_.opcode == Opcode::kVmad) {
      MultiplyAdd();
    } else if (lanes_ == 1) {
      Scalar();
    } else {
      Parallel();
    }
  }

 private:
  bool Has(Modifier modifier) const { return i_.Has(modifier); }

  V Wide(uint64_t value) { return e_.Int(kWideBits, value); }

  V Extended(V value, Type type, unsigned bits) {
    llvm::Type* wide = e_.IntType(bits);
    return ptx::IsSigned(type) ? ir_.CreateSExt(value, wide) : ir_.CreateZExt(value, wide);
  }

  // Bits `first` … of a register as a number of the type's sign.
  V Field(V whole, unsigned first, unsigned width, Type type) {
    V part = ir_.CreateTrunc(ir_.CreateLShr(whole, first), e_.IntType(width));
    return Extended(part, type, kWideBits);
  }

  // An operand of a scalar instruction: the register, or the byte or half it selects.
  V Selected(const Operand& operand, Type type) {
    Operand plain = operand;
    plain.negated = false;
    V whole = e_.Read(plain, Type::kB32);
    if (e_.refused()) {
      return whole;
    }
    unsigned first = 0;
    unsigned width = 32;
    if (operand.selector >= Selector::kB0 && operand.selector <= Selector::kB3) {
      width = 8;
      first = 8 * (static_cast<unsigned>(operand.selector) - static_cast<unsigned>(Selector::kB0));
    } else if (operand.selector == Selector::kH0 || operand.selector == Selector::kH1) {
      width = 16;
      first = operand.selector == Selector::kH1 ? 16 : 0;
    }
    V value = Field(whole, first, width, type);
    return operand.negated ? ir_.CreateNeg(value) : value;
  }

  V Smaller(V a, V b) { return ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b); }

  V Larger(V a, V b) { return ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, a, b); }

  V ShiftCount(V count) {
    return Has(Modifier::kWrap) ? ir_.CreateAnd(count, Wide(31)) : Smaller(count, Wide(32));
  }

  V Compared(V a, V b) {
    for (const Comparison& comparison : kComparisons) {
      if (Has(comparison.name)) {
        return ir_.CreateZExt(ir_.CreateICmp(comparison.predicate, a, b), a->getType());
      }
    }
    return e_.Refuse("no comparison is named");
  }

  // Rounded half away from zero.
  V Average(V a, V b) {
    V sum = ir_.CreateAdd(a, b);
    V is_positive = ir_.CreateICmpSGE(sum, Wide(0));
    V rounded = ir_.CreateAdd(sum, ir_.CreateZExt(is_positive, sum->getType()));
    return ir_.CreateAShr(rounded, 1);
  }

  V Operate(V a, V b) {
    switch (i_.opcode) {
      case Opcode::kVadd:
      case Opcode::kVadd2:
      case Opcode::kVadd4:
        return ir_.CreateAdd(a, b);
      case Opcode::kVsub:
      case Opcode::kVsub2:
      case Opcode::kVsub4:
        return ir_.CreateSub(a, b);
      case Opcode::kVavrg2:
      case Opcode::kVavrg4:
        return Average(a, b);
      case Opcode::kVabsdiff:
      case Opcode::kVabsdiff2:
      case Opcode::kVabsdiff4:
        return ir_.CreateSub(Larger(a, b), Smaller(a, b));
      case Opcode::kVmin:
      case Opcode::kVmin2:
      case Opcode::kVmin4:
        return Smaller(a, b);
      case Opcode::kVmax:
      case Opcode::kVmax2:
      case Opcode::kVmax4:
        return Larger(a, b);
      case Opcode::kVshl:
        return ir_.CreateShl(a, ShiftCount(b));
      case Opcode::kVshr:
        return ir_.CreateAShr(a, ShiftCount(b));
      default:
        return Compared(a, b);
    }
  }

  V Clamped(V value, unsigned width) {
    if (!Has(Modifier::kSat)) {
      return value;
    }
    const unsigned bits = value->getType()->getIntegerBitWidth();
    const bool is_signed = ptx::IsSigned(result_);
    const APInt low = is_signed ? APInt::getSignedMinValue(width).sext(bits) : APInt(bits, 0);
    const APInt high = is_signed ? APInt::getSignedMaxValue(width).sext(bits)
                                 : APInt::getMaxValue(width).zext(bits);
    V above = Larger(value, llvm::ConstantInt::get(value->getType(), low));
    return Smaller(above, llvm::ConstantInt::get(value->getType(), high));
  }

  V Joined(V result, V c) {
    if (Has(Modifier::kAdd)) {
      return ir_.CreateAdd(result, c);
    }
    if (Has(Modifier::kMin)) {
      return Smaller(result, c);
    }
    return Has(Modifier::kMax) ? Larger(result, c) : result;
  }

  void WriteWord(V value) {
    e_.Write(i_.operands[0], ir_.CreateTrunc(value, e_.IntType(32)), Type::kB32);
  }

  // The result's low bits in the place that the destination selects, c around them.
  void WriteSelected(V result, V c) {
    const Selector selector = i_.operands[0].selector;
    const bool is_byte = selector >= Selector::kB0 && selector <= Selector::kB3;
    const unsigned width = is_byte ? 8 : 16;
    const unsigned index = static_cast<unsigned>(selector) -
                           static_cast<unsigned>(is_byte ? Selector::kB0 : Selector::kH0);
    const uint64_t mask = ((uint64_t{1} << width) - 1) << (index * width);
    V field = ir_.CreateAnd(ir_.CreateShl(result, index * width), Wide(mask));
    WriteWord(ir_.CreateOr(field, ir_.CreateAnd(c, Wide(~mask))));
  }

  void Scalar() {
    V a = Selected(i_.operands[1], a_);
    V b = Selected(i_.operands[2], b_);
    V c = i_.operands.size() > 3 ? Selected(i_.operands[3], result_) : Wide(0);
    if (e_.refused()) {
      return;
    }
    const bool selects = i_.operands[0].selector != Selector::kNone;
    // Before the second operation the first one's result has the width of a register again.
    V result = ir_.CreateTrunc(Clamped(Operate(a, b), 32), e_.IntType(32));
    result = Extended(result, result_, kWideBits);
    if (e_.refused()) {
      return;
    }
    if (selects) {
      WriteSelected(result, c);
    } else {
      WriteWord(Joined(result, c));
    }
  }

  void MultiplyAdd() {
    const Operand& addend = i_.operands[3];
    V a = Selected(i_.operands[1], a_);
    V b = Selected(i_.operands[2], b_);
    const bool is_signed = ptx::IsSigned(a_) || ptx::IsSigned(b_) || i_.operands[1].negated ||
                           i_.operands[2].negated || addend.negated;
    V c = Selected(addend, is_signed ? Type::kS32 : Type::kU32);
    if (e_.refused()) {
      return;
    }
    llvm::Type* wide = e_.IntType(kProductBits);
    V product = ir_.CreateMul(ir_.CreateSExt(a, wide), ir_.CreateSExt(b, wide));
    V sum = ir_.CreateAdd(product, ir_.CreateSExt(c, wide));
    if (Has(Modifier::kPo)) {
      sum = ir_.CreateAdd(sum, llvm::ConstantInt::get(wide, 1));
    }
    const unsigned shift = Has(Modifier::kShr7) ? 7 : Has(Modifier::kShr15) ? 15 : 0;
    WriteWord(Clamped(ir_.CreateAShr(sum, shift), 32));
  }

  // Which part of {b, a} a lane of an operand is: part 0 is a's lowest.
  unsigned PartOf(const Operand& operand, unsigned lane, unsigned first) const {
    if (operand.selector != Selector::kMask) {
      return first + lane;
    }
    // The selector's letter, then a digit for each lane, the highest first; packed likewise.
    return static_cast<unsigned>(operand.bits >> (8 * lane) & 0xff) - '0';
  }

  // Whether a lane of the result is wanted: all, unless the destination lists some.
  bool IsWanted(unsigned lane) const {
    const Operand& to = i_.operands[0];
    if (to.selector == Selector::kNone) {
      return true;
    }
    if (to.selector != Selector::kMask) {
      const Selector first = lanes_ == 4 ? Selector::kB0 : Selector::kH0;
      return static_cast<unsigned>(to.selector) == static_cast<unsigned>(first) + lane;
    }
    for (uint64_t digits = to.bits; digits > 0xff; digits >>= 8) {
      if ((digits & 0xff) == '0' + lane) {
        return true;
      }
    }
    return false;
  }

  void Parallel() {
    const unsigned width = 32 / lanes_;
    V words[2] = {e_.Read(i_.operands[1], Type::kB32), e_.Read(i_.operands[2], Type::kB32)};
    V c = e_.Read(i_.operands[3], Type::kB32);
    if (e_.refused()) {
      return;
    }
    const auto part = [&](const Operand& operand, unsigned lane, unsigned first, Type type) {
      const unsigned index = std::min(PartOf(operand, lane, first), 2 * lanes_ - 1);
      return Field(words[index / lanes_], index % lanes_ * width, width, type);
    };
    V sum = ir_.CreateZExt(c, e_.IntType(kWideBits));
    V joined = sum;
    for (unsigned lane = 0; lane < lanes_; ++lane) {
      V a = part(i_.operands[1], lane, 0, a_);
      V b = part(i_.operands[2], lane, lanes_, b_);
      V result = Clamped(Operate(a, b), width);
      if (e_.refused()) {
        return;
      }
      if (IsWanted(lane)) {
        const uint64_t mask = ((uint64_t{1} << width) - 1) << (lane * width);
        sum = ir_.CreateAdd(sum, result);
        joined = ir_.CreateOr(ir_.CreateAnd(joined, Wide(~mask)),
                              ir_.CreateAnd(ir_.CreateShl(result, lane * width), Wide(mask)));
      }
    }
    WriteWord(Has(Modifier::kAdd) ? sum : joined);
  }

  FunctionEmitter& e_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& i_;
  unsigned lanes_;
  Type result_ = Type::kU32;
  Type a_ = Type::kU32;
  Type b_ = Type::kU32;
};

void EmitVideo(FunctionEmitter& emitter, const ptx::Instruction& instruction) {
  Video(emitter, instruction).Run();
}

constexpr EmitterRow kRows[] = {
    {Opcode::kVadd, EmitVideo},      {Opcode::kVsub, EmitVideo},
    {Opcode::kVabsdiff, EmitVideo},  {Opcode::kVmin, EmitVideo},
    {Opcode::kVmax, EmitVideo},      {Opcode::kVshl, EmitVideo},
    {Opcode::kVshr, EmitVideo},      {Opcode::kVmad, EmitVideo},
    {Opcode::kVset, EmitVideo},      {Opcode::kVadd2, EmitVideo},
    {Opcode::kVsub2, EmitVideo},     {Opcode::kVavrg2, EmitVideo},
    {Opcode::kVabsdiff2, EmitVideo}, {Opcode::kVmin2, EmitVideo},
    {Opcode::kVmax2, EmitVideo},     {Opcode::kVset2, EmitVideo},
    {Opcode::kVadd4, EmitVideo},     {Opcode::kVsub4, EmitVideo},
    {Opcode::kVavrg4, EmitVideo},    {Opcode::kVabsdiff4, EmitVideo},
    {Opcode::kVmin4, EmitVideo},     {Opcode::kVmax4, EmitVideo},
    {Opcode::kVset4, EmitVideo},
};

}  // namespace

std::span<const EmitterRow> VideoRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
