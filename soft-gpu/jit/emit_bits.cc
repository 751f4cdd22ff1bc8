// SPDX-License-Identifier: Apache-2.0
// Logic, shifts and bit fields. Shift counts of the width or more are legal in PTX and poison in
// LLVM, so every shift here is clamped.
#include "soft-gpu/jit/bit_search.h"
#include "soft-gpu/jit/emitter_table.h"

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using ptx::Type;
using V = llvm::Value*;

unsigned BitsOf(const PureContext& c) {
  return ptx::BitsOf(c.type);
}

bool IsSigned(const PureContext& c) {
  return ptx::IsSigned(c.type);
}

V Like(V value, uint64_t number) {
  return llvm::ConstantInt::get(value->getType(), number);
}

// value << count, 0 for counts that reach past the value. `count` has 32 bits.
V ShiftLeft(PureContext& c, V value, V count) {
  const unsigned bits = value->getType()->getIntegerBitWidth();
  V fits = c.ir.CreateICmpULT(count, Like(count, bits));
  V safe = c.ir.CreateZExtOrTrunc(c.ir.CreateAnd(count, Like(count, bits - 1)), value->getType());
  return c.ir.CreateSelect(fits, c.ir.CreateShl(value, safe), Like(value, 0));
}

V ShiftRightUnsigned(PureContext& c, V value, V count) {
  const unsigned bits = value->getType()->getIntegerBitWidth();
  V fits = c.ir.CreateICmpULT(count, Like(count, bits));
  V safe = c.ir.CreateZExtOrTrunc(c.ir.CreateAnd(count, Like(count, bits - 1)), value->getType());
  return c.ir.CreateSelect(fits, c.ir.CreateLShr(value, safe), Like(value, 0));
}

V ShiftRightSigned(PureContext& c, V value, V count) {
  const unsigned bits = value->getType()->getIntegerBitWidth();
  V clamped = c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::umin, count, Like(count, bits - 1));
  return c.ir.CreateAShr(value, c.ir.CreateZExtOrTrunc(clamped, value->getType()));
}

V And(PureContext& c, const Values& v) {
  return c.ir.CreateAnd(v[0], v[1]);
}

V Or(PureContext& c, const Values& v) {
  return c.ir.CreateOr(v[0], v[1]);
}

V Xor(PureContext& c, const Values& v) {
  return c.ir.CreateXor(v[0], v[1]);
}

V Not(PureContext& c, const Values& v) {
  return c.ir.CreateNot(v[0]);
}

V Cnot(PureContext& c, const Values& v) {
  return c.ir.CreateZExt(c.ir.CreateICmpEQ(v[0], Like(v[0], 0)), v[0]->getType());
}

V Shl(PureContext& c, const Values& v) {
  return ShiftLeft(c, v[0], v[1]);
}

V Shr(PureContext& c, const Values& v) {
  return IsSigned(c) ? ShiftRightSigned(c, v[0], v[1]) : ShiftRightUnsigned(c, v[0], v[1]);
}

// The funnel: the 64-bit value b:a moved by c, its upper (left) or lower (right) word.
V Shf(PureContext& c, const Values& v) {
  V count = c.Has(Modifier::kClamp)
                ? c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::umin, v[2], Like(v[2], 32))
                : c.ir.CreateAnd(v[2], Like(v[2], 31));
  llvm::Type* wide = c.ir.getInt64Ty();
  V joined =
      c.ir.CreateOr(c.ir.CreateShl(c.ir.CreateZExt(v[1], wide), 32), c.ir.CreateZExt(v[0], wide));
  V moved = c.ir.CreateZExt(count, wide);
  V result = c.instruction.Has(Modifier::kComponentR)
                 ? c.ir.CreateLShr(joined, moved)
                 : c.ir.CreateLShr(c.ir.CreateShl(joined, moved), 32);
  return c.ir.CreateTrunc(result, v[0]->getType());
}

V Popc(PureContext& c, const Values& v) {
  V count = c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, v[0]);
  return c.ir.CreateZExtOrTrunc(count, c.ir.getInt32Ty());
}

V LeadingZeros(PureContext& c, V value) {
  V count = c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, value, c.ir.getFalse());
  return c.ir.CreateZExtOrTrunc(count, c.ir.getInt32Ty());
}

V Clz(PureContext& c, const Values& v) {
  return LeadingZeros(c, v[0]);
}

V Brev(PureContext& c, const Values& v) {
  return c.ir.CreateUnaryIntrinsic(llvm::Intrinsic::bitreverse, v[0]);
}

// Position of the most significant bit that is not a copy of the sign; all ones if there is none.
V Bfind(PureContext& c, const Values& v) {
  const unsigned bits = BitsOf(c);
  V value = v[0];
  if (IsSigned(c)) {
    value = c.ir.CreateXor(value, c.ir.CreateAShr(value, bits - 1));
  }
  V zeros = LeadingZeros(c, value);
  V found = c.Has(Modifier::kShiftamt) ? zeros : c.ir.CreateSub(c.emitter.Int(32, bits - 1), zeros);
  V none = c.ir.CreateICmpEQ(value, Like(value, 0));
  return c.ir.CreateSelect(none, c.emitter.Int(32, 0xffffffff), found);
}

V LowByte(PureContext& c, V value) {
  return c.ir.CreateAnd(value, Like(value, 0xff));
}

// The `length` lowest bits set, all of them if length reaches the width.
V LowMask(PureContext& c, llvm::Type* type, V length) {
  return c.ir.CreateNot(ShiftLeft(c, llvm::Constant::getAllOnesValue(type), length));
}

V Bfe(PureContext& c, const Values& v) {
  V position = LowByte(c, v[1]);
  V length = LowByte(c, v[2]);
  V mask = LowMask(c, v[0]->getType(), length);
  if (!IsSigned(c)) {
    return c.ir.CreateAnd(ShiftRightUnsigned(c, v[0], position), mask);
  }
  // The sign bit is bit length-1 of the field, or the value's own if the field reaches past it;
  // the arithmetic shift has already put copies of that one where the field ends.
  V field = ShiftRightSigned(c, v[0], position);
  V last = c.ir.CreateSub(length, Like(length, 1));
  V sign = c.ir.CreateTrunc(ShiftRightSigned(c, field, last), c.ir.getInt1Ty());
  V extended = c.ir.CreateSelect(sign, c.ir.CreateOr(field, c.ir.CreateNot(mask)),
                                 c.ir.CreateAnd(field, mask));
  return c.ir.CreateSelect(c.ir.CreateICmpEQ(length, Like(length, 0)), Like(v[0], 0), extended);
}

V Bfi(PureContext& c, const Values& v) {
  V position = LowByte(c, v[2]);
  V length = LowByte(c, v[3]);
  V mask = ShiftLeft(c, LowMask(c, v[0]->getType(), length), position);
  V field = c.ir.CreateAnd(ShiftLeft(c, v[0], position), mask);
  return c.ir.CreateOr(field, c.ir.CreateAnd(v[1], c.ir.CreateNot(mask)));
}

// b bits from bit a on; .wrap takes both modulo 32.
V Bmsk(PureContext& c, const Values& v) {
  V position = v[0];
  V length = v[1];
  if (c.Has(Modifier::kWrap)) {
    position = c.ir.CreateAnd(position, Like(position, 31));
    length = c.ir.CreateAnd(length, Like(length, 31));
  }
  return ShiftLeft(c, LowMask(c, position->getType(), length), position);
}

// The low b bits of a, extended; .wrap takes b modulo 32.
V Szext(PureContext& c, const Values& v) {
  V length = v[1];
  if (c.Has(Modifier::kWrap)) {
    length = c.ir.CreateAnd(length, Like(length, 31));
  }
  V mask = LowMask(c, v[0]->getType(), length);
  V low = c.ir.CreateAnd(v[0], mask);
  if (!IsSigned(c)) {
    return low;
  }
  V last = c.ir.CreateSub(length, Like(length, 1));
  V sign = c.ir.CreateTrunc(ShiftRightSigned(c, v[0], last), c.ir.getInt1Ty());
  V extended = c.ir.CreateSelect(sign, c.ir.CreateOr(v[0], c.ir.CreateNot(mask)), low);
  return c.ir.CreateSelect(c.ir.CreateICmpEQ(length, Like(length, 0)), Like(v[0], 0), extended);
}

// The selector of byte `index`: 0-7 the byte, 8 added: its sign instead.
V Selector(PureContext& c, V control, unsigned index) {
  const V base = c.ir.CreateAnd(control, Like(control, 3));
  const auto number = [&](uint64_t value) { return Like(control, value); };
  if (c.Has(Modifier::kF4e)) {
    return c.ir.CreateAdd(base, number(index));
  }
  if (c.Has(Modifier::kB4e)) {
    return c.ir.CreateAnd(c.ir.CreateSub(base, number(index)), number(7));
  }
  if (c.Has(Modifier::kRc8)) {
    return base;
  }
  if (c.Has(Modifier::kEcl)) {
    return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::umax, base, number(index));
  }
  if (c.Has(Modifier::kEcr)) {
    return c.ir.CreateBinaryIntrinsic(llvm::Intrinsic::umin, base, number(index));
  }
  if (c.Has(Modifier::kRc16)) {
    V pair = c.ir.CreateShl(c.ir.CreateAnd(control, number(1)), 1);
    return c.ir.CreateAdd(pair, number(index & 1));
  }
  return c.ir.CreateAnd(c.ir.CreateLShr(control, index * 4), number(15));
}

V Prmt(PureContext& c, const Values& v) {
  llvm::Type* wide = c.ir.getInt64Ty();
  V bytes =
      c.ir.CreateOr(c.ir.CreateShl(c.ir.CreateZExt(v[1], wide), 32), c.ir.CreateZExt(v[0], wide));
  V result = c.emitter.Int(32, 0);
  for (unsigned i = 0; i < 4; ++i) {
    V selector = Selector(c, v[2], i);
    V distance = c.ir.CreateShl(c.ir.CreateAnd(selector, Like(selector, 7)), 3);
    V byte =
        c.ir.CreateTrunc(c.ir.CreateLShr(bytes, c.ir.CreateZExt(distance, wide)), c.ir.getInt8Ty());
    V wants_sign = c.ir.CreateICmpUGE(selector, Like(selector, 8));
    byte = c.ir.CreateSelect(wants_sign, c.ir.CreateAShr(byte, 7), byte);
    V placed = c.ir.CreateShl(c.ir.CreateZExt(byte, c.ir.getInt32Ty()), i * 8);
    result = c.ir.CreateOr(result, placed);
  }
  return result;
}

V Fns(PureContext& c, const Values& v) {
  return c.emitter.CallRuntime(kFindNthSetFunction, c.ir.getInt32Ty(), {v[0], v[1], v[2]});
}

constexpr Slot kMain = Slot::kMain;
constexpr Slot kU32 = Slot::kU32;

constexpr PureRow kRows[] = {
    {Opcode::kAnd, Kind::kInteger, kMain, {kMain, kMain}, And},
    {Opcode::kOr, Kind::kInteger, kMain, {kMain, kMain}, Or},
    {Opcode::kXor, Kind::kInteger, kMain, {kMain, kMain}, Xor},
    {Opcode::kNot, Kind::kInteger, kMain, {kMain}, Not},
    {Opcode::kCnot, Kind::kInteger, kMain, {kMain}, Cnot},
    {Opcode::kShl, Kind::kInteger, kMain, {kMain, kU32}, Shl},
    {Opcode::kShr, Kind::kInteger, kMain, {kMain, kU32}, Shr},
    {Opcode::kShf, Kind::kInteger, kMain, {kMain, kMain, kU32}, Shf},
    {Opcode::kPopc, Kind::kInteger, kU32, {kMain}, Popc},
    {Opcode::kClz, Kind::kInteger, kU32, {kMain}, Clz},
    {Opcode::kBrev, Kind::kInteger, kMain, {kMain}, Brev},
    {Opcode::kBfind, Kind::kInteger, kU32, {kMain}, Bfind},
    {Opcode::kBfe, Kind::kInteger, kMain, {kMain, kU32, kU32}, Bfe},
    {Opcode::kBfi, Kind::kInteger, kMain, {kMain, kMain, kU32, kU32}, Bfi},
    {Opcode::kBmsk, Kind::kInteger, kMain, {kU32, kU32}, Bmsk},
    {Opcode::kSzext, Kind::kInteger, kMain, {kMain, kU32}, Szext},
    {Opcode::kFns, Kind::kInteger, kMain, {kMain, kU32, kU32}, Fns},
    {Opcode::kPrmt, Kind::kInteger, kMain, {kMain, kMain, kU32}, Prmt},
};

}  // namespace

std::span<const PureRow> BitRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
