// SPDX-License-Identifier: Apache-2.0
// ex2, lg2, sin, cos and tanh: one call each, with .ftz on both sides.
#include "soft-gpu/jit/approximate.h"
#include "soft-gpu/jit/emitter_table.h"
#include "soft-gpu/jit/flush.h"

namespace farlane::soft::jit {
namespace {

using ptx::Modifier;
using ptx::Opcode;
using V = llvm::Value*;

V Call(PureContext& c, const Values& v, const char* function) {
  if (c.type != ptx::Type::kF32) {
    return c.emitter.Refuse("this function of f64");
  }
  const bool flushes = c.Has(Modifier::kFtz);
  V argument = flushes ? FlushSubnormal(c.emitter, v[0]) : v[0];
  V result = c.emitter.CallRuntime(function, c.ir.getFloatTy(), {argument});
  return flushes ? FlushSubnormal(c.emitter, result) : result;
}

V Sin(PureContext& c, const Values& v) {
  return Call(c, v, kSinFunction);
}

V Cos(PureContext& c, const Values& v) {
  return Call(c, v, kCosFunction);
}

V Ex2(PureContext& c, const Values& v) {
  return Call(c, v, kEx2Function);
}

V Lg2(PureContext& c, const Values& v) {
  return Call(c, v, kLg2Function);
}

V Tanh(PureContext& c, const Values& v) {
  return Call(c, v, kTanhFunction);
}

constexpr PureRow kRows[] = {
    {Opcode::kSin, Kind::kFloat, Slot::kMain, {Slot::kMain}, Sin},
    {Opcode::kCos, Kind::kFloat, Slot::kMain, {Slot::kMain}, Cos},
    {Opcode::kEx2, Kind::kFloat, Slot::kMain, {Slot::kMain}, Ex2},
    {Opcode::kLg2, Kind::kFloat, Slot::kMain, {Slot::kMain}, Lg2},
    {Opcode::kTanh, Kind::kFloat, Slot::kMain, {Slot::kMain}, Tanh},
};

}  // namespace

std::span<const PureRow> ApproximateRows() {
  return kRows;
}

}  // namespace farlane::soft::jit
