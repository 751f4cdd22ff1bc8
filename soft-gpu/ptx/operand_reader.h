// SPDX-License-Identifier: Apache-2.0
// OperandReader reads the operands of one instruction after another and puts them, resolved, into
// the body's arena. Nesting is bounded by the grammar: a list holds no lists except in an address.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/body_names.h"
#include "soft-gpu/ptx/lexer.h"

namespace farlane::soft::ptx {

// Thread: caller's.
class OperandReader {
 public:
  OperandReader(const Module& module, Lexer& lexer, BodyNames& names, Body* body)
      : module_(module), lexer_(lexer), names_(names), body_(*body) {}

  // Operands up to the ';', which stays. `opcode` decides a few spellings.
  Status ReadAll(Opcode opcode, std::span<const Operand>* operands);

  // The four operands of a call (see Instruction).
  Status ReadCall(std::span<const Operand>* operands);

 private:
  Status ReadOperand();
  Status ReadSingle();
  Status ReadList(char close, OperandKind kind);
  Status ReadAddress();
  Status ReadAddressBase(Operand* address);
  Status ReadNamed();
  Status ReadNegatedOrConstant();
  Status ReadConstantOperand();
  Status ReadSelector(Operand* operand);
  Status ReadOffset(Operand* operand);
  Status ReadElement(Operand* operand);
  Status ReadCallTarget();
  Status Expect(char punctuation);
  Status Push(Operand operand);
  void PushUnknown(std::string_view name);
  uint64_t ElementBytes(const Operand& operand) const;
  std::span<const Operand> Store(size_t first);
  void Wrap(size_t first, OperandKind kind);

  const Module& module_;
  Lexer& lexer_;
  BodyNames& names_;
  Body& body_;
  Opcode opcode_ = Opcode::kUnknown;
  std::vector<Operand> pending_;           // read, not yet stored; parts before their wholes
  std::vector<std::string_view> unknown_;  // names of this instruction that may be labels
};

}  // namespace farlane::soft::ptx
