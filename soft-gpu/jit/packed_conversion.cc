// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/packed_conversion.h"

#include "soft-gpu/jit/half.h"

namespace farlane::soft::jit {
namespace {

using llvm::APInt;
using ptx::Modifier;
using ptx::Type;
using V = llvm::Value*;

// Two values of `element`, each in `bits` of a register.
struct Pair {
  Type element = Type::kNone;
  unsigned bits = 0;
};

Pair PairOf(Type type) {
  switch (type) {
    case Type::kF16x2:
      return {Type::kF16, 16};
    case Type::kBf16x2:
      return {Type::kBf16, 16};
    case Type::kE4m3x2:
      return {Type::kE4m3, 8};
    case Type::kE5m2x2:
      return {Type::kE5m2, 8};
    case Type::kE3m2x2:
      return {Type::kE3m2, 8};
    case Type::kE2m3x2:
      return {Type::kE2m3, 8};
    case Type::kE2m1x2:
      return {Type::kE2m1, 4};
    case Type::kUe8m0x2:
      return {Type::kUe8m0, 8};
    default:
      return {};
  }
}

// The type of a register that holds both.
Type WholeOf(const Pair& pair) {
  return pair.bits == 16 ? Type::kB32 : pair.bits == 8 ? Type::kB16 : Type::kB8;
}

// One conversion of pairs.
// Thread: the compiling one.
class PairConverter {
 public:
  PairConverter(FunctionEmitter& emitter, const ptx::Instruction& instruction)
      : e_(emitter),
        ir_(emitter.ir()),
        i_(instruction),
        to_(PairOf(instruction.types[0])),
        from_(PairOf(instruction.types[1])) {}

  void Run() {
    const bool of_floats = i_.types[1] == Type::kF32 && i_.operands.size() == 3;
    const bool of_a_pair = from_.bits != 0 && i_.operands.size() == 2;
    if (i_.Has(Modifier::kRs)) {
      e_.Refuse("stochastic rounding");
    } else if (to_.bits == 0 || (!of_floats && !of_a_pair)) {
      e_.Refuse("a conversion between these types");
    } else if (of_floats) {
      // The first operand goes to the upper half.
      V upper = e_.Read(i_.operands[1], Type::kF32);
      V lower = e_.Read(i_.operands[2], Type::kF32);
      Join(upper, lower);
    } else {
      V whole = e_.Read(i_.operands[1], WholeOf(from_));
      V upper = Part(whole, 1);
      Join(upper, Part(whole, 0));
    }
  }

 private:
  V Part(V whole, unsigned index) {
    if (e_.refused()) {
      return whole;
    }
    V shifted = ir_.CreateLShr(whole, index * from_.bits);
    if (!IsSmallFloat(from_.element)) {
      return WidenHalf(e_, ir_.CreateTrunc(shifted, e_.IntType(16)), from_.element, false);
    }
    V bits = ir_.CreateAnd(ir_.CreateZExt(shifted, ir_.getInt32Ty()),
                           e_.Int(32, (1u << from_.bits) - 1));
    return e_.CallRuntime(kWidenFunction, ir_.getFloatTy(),
                          {bits, e_.Int(32, static_cast<uint32_t>(from_.element))});
  }

  V Narrowed(V single) {
    if (i_.Has(Modifier::kRelu)) {
      V zero = llvm::ConstantFP::get(ir_.getFloatTy(), 0.0);
      single = ir_.CreateSelect(ir_.CreateFCmpOLE(single, zero), zero, single);
    }
    return IsSmallFloat(to_.element)
               ? CallNarrow(e_, single, FormOf(i_, to_.element))
               : ir_.CreateZExt(e_.ToBits(RoundToHalf(e_, i_, single, to_.element)),
                                ir_.getInt32Ty());
  }

  void Join(V upper, V lower) {
    if (e_.refused()) {
      return;
    }
    V high = ir_.CreateShl(Narrowed(upper), to_.bits);
    V joined = ir_.CreateOr(high, Narrowed(lower));
    e_.Write(i_.operands[0], ir_.CreateTrunc(joined, e_.TypeFor(WholeOf(to_))), WholeOf(to_));
  }

  FunctionEmitter& e_;
  llvm::IRBuilder<>& ir_;
  const ptx::Instruction& i_;
  Pair to_;
  Pair from_;
};

// cvt.pack: a and b clamped and joined, b below, under what c holds.
void EmitPack(FunctionEmitter& e, const ptx::Instruction& instruction) {
  const Type to = instruction.types[0];
  const unsigned bits = ptx::BitsOf(to);
  V a = e.Read(instruction.operands[1], Type::kS32);
  V b = e.Read(instruction.operands[2], Type::kS32);
  V c = instruction.operands.size() > 3 ? e.Read(instruction.operands[3], Type::kB32) : nullptr;
  if (e.refused()) {
    return;
  }
  llvm::IRBuilder<>& ir = e.ir();
  const auto clamped = [&](V value) {
    const APInt low = ptx::IsSigned(to) ? APInt::getSignedMinValue(bits).sext(32) : APInt(32, 0);
    const APInt high = ptx::IsSigned(to) ? APInt::getSignedMaxValue(bits).sext(32)
                                         : APInt::getMaxValue(bits).zext(32);
    V above = ir.CreateBinaryIntrinsic(llvm::Intrinsic::smax, value,
                                       llvm::ConstantInt::get(value->getType(), low));
    V inside = ir.CreateBinaryIntrinsic(llvm::Intrinsic::smin, above,
                                        llvm::ConstantInt::get(value->getType(), high));
    return ir.CreateAnd(inside, e.Int(32, (1u << bits) - 1));
  };
  V joined = ir.CreateOr(ir.CreateShl(clamped(a), bits), clamped(b));
  if (c != nullptr) {
    joined = ir.CreateOr(joined, ir.CreateShl(c, 2 * bits));
  }
  e.Write(instruction.operands[0], joined, Type::kB32);
}

}  // namespace

bool IsPackedConversion(const ptx::Instruction& instruction) {
  return instruction.Has(Modifier::kPack) || PairOf(instruction.types[0]).bits != 0 ||
         PairOf(instruction.types[1]).bits != 0 ||
         ptx::InfoOf(instruction.types[0]).type_class == ptx::TypeClass::kPacked;
}

void EmitPackedConversion(FunctionEmitter& emitter, const ptx::Instruction& instruction) {
  if (instruction.Has(Modifier::kPack)) {
    EmitPack(emitter, instruction);
  } else {
    PairConverter(emitter, instruction).Run();
  }
}

NarrowForm FormOf(const ptx::Instruction& instruction, Type type) {
  const Narrowing direction = instruction.Has(Modifier::kRz)    ? Narrowing::kZero
                              : instruction.Has(Modifier::kRm)  ? Narrowing::kDown
                              : instruction.Has(Modifier::kRp)  ? Narrowing::kUp
                              : instruction.Has(Modifier::kRna) ? Narrowing::kNearestAway
                                                                : Narrowing::kNearest;
  return {type, direction, instruction.Has(Modifier::kSatfinite)};
}

V CallNarrow(FunctionEmitter& emitter, V value, const NarrowForm& form) {
  llvm::IRBuilder<>& ir = emitter.ir();
  V wide = value->getType()->isDoubleTy() ? value : ir.CreateFPExt(value, ir.getDoubleTy());
  return emitter.CallRuntime(kNarrowFunction, ir.getInt32Ty(),
                             {wide, emitter.Int(32, form.Packed())});
}

V RoundToHalf(FunctionEmitter& emitter, const ptx::Instruction& instruction, V single, Type half) {
  const NarrowForm form = FormOf(instruction, half);
  if (form.direction == Narrowing::kNearest && !form.satfinite) {
    return NarrowToHalf(emitter, single, half, false);
  }
  V bits = emitter.ir().CreateTrunc(CallNarrow(emitter, single, form), emitter.IntType(16));
  return emitter.FromBits(bits, half);
}

}  // namespace farlane::soft::jit
