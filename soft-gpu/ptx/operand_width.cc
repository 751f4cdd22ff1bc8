// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/operand_width.h"

#include <algorithm>
#include <array>

namespace farlane::soft::ptx {
namespace {

constexpr size_t kOperandsChecked = 4;

// What the registers of an instruction's operands must have; 0: anything.
struct Widths {
  std::array<uint32_t, kOperandsChecked> bits{};
  bool may_be_wider = false;
};

Widths Uniform(uint32_t bits) {
  return {{bits, bits, bits, bits}};
}

Widths OfProduct(const Instruction& instruction) {
  const uint32_t bits = BitsOf(instruction.type());
  if (!instruction.Has(Modifier::kWide)) {
    return Uniform(bits);
  }
  return {{2 * bits, bits, bits, 2 * bits}};
}

Widths OfConversion(const Instruction& instruction) {
  if (instruction.type_count != 2 || instruction.operands.size() != 2) {
    return {};
  }
  return {{BitsOf(instruction.types[0]), BitsOf(instruction.types[1]), 0, 0}, true};
}

Widths WidthsOf(const Instruction& instruction) {
  const uint32_t bits = BitsOf(instruction.type());
  // Sums in f32 of halves and the like: each operand has a type of its own.
  const bool is_simple = instruction.type_count == 1;
  switch (instruction.opcode) {
    case Opcode::kAdd:
    case Opcode::kSub:
    case Opcode::kDiv:
    case Opcode::kRem:
    case Opcode::kAbs:
    case Opcode::kNeg:
    case Opcode::kMin:
    case Opcode::kMax:
    case Opcode::kFma:
    case Opcode::kAnd:
    case Opcode::kOr:
    case Opcode::kXor:
    case Opcode::kNot:
    case Opcode::kSqrt:
    case Opcode::kRsqrt:
    case Opcode::kRcp:
    case Opcode::kSin:
    case Opcode::kCos:
    case Opcode::kLg2:
    case Opcode::kEx2:
    case Opcode::kMov:
      return is_simple ? Uniform(bits) : Widths{};
    case Opcode::kMul:
    case Opcode::kMad:
      return is_simple ? OfProduct(instruction) : Widths{};
    case Opcode::kSetp:
      return is_simple ? Widths{{0, bits, bits, 0}} : Widths{};
    case Opcode::kSelp:
      return is_simple ? Widths{{bits, bits, bits, 0}} : Widths{};
    case Opcode::kShl:
    case Opcode::kShr:
      return {{bits, bits, 32, 0}};
    case Opcode::kPopc:
    case Opcode::kClz:
      return {{32, bits, 0, 0}};
    case Opcode::kLd:
    case Opcode::kLdu:
      return {{bits, 0, 0, 0}, true};
    case Opcode::kSt:
      return is_simple ? Widths{{0, bits, 0, 0}, true} : Widths{};
    case Opcode::kCvt:
      return OfConversion(instruction);
    default:
      return {};
  }
}

// A register, or for a memory access those of a vector.
RegisterId WrongIn(const Body& body, const Operand& operand, uint32_t bits, bool may_be_wider) {
  if (operand.kind == OperandKind::kVector && may_be_wider) {
    for (const Operand& child : operand.children) {
      if (const RegisterId wrong = WrongIn(body, child, bits, true); wrong != kNoIndex) {
        return wrong;
      }
    }
  }
  if (operand.kind != OperandKind::kRegister || operand.ref != Ref::kRegister ||
      operand.selector != Selector::kNone || body.registers[operand.id].vector != 1) {
    return kNoIndex;
  }
  const uint32_t own = BitsOf(body.registers[operand.id].type);
  return own == bits || (may_be_wider && own > bits) ? kNoIndex : operand.id;
}

}  // namespace

RegisterId RegisterOfWrongWidth(const Body& body, const Instruction& instruction) {
  const Widths widths = WidthsOf(instruction);
  const size_t count = std::min(instruction.operands.size(), kOperandsChecked);
  for (size_t i = 0; i < count; ++i) {
    if (widths.bits[i] != 0) {
      const RegisterId wrong =
          WrongIn(body, instruction.operands[i], widths.bits[i], widths.may_be_wider);
      if (wrong != kNoIndex) {
        return wrong;
      }
    }
  }
  return kNoIndex;
}

}  // namespace farlane::soft::ptx
