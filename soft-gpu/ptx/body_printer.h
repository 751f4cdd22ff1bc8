// SPDX-License-Identifier: Apache-2.0
// BodyPrinter writes a parsed body as PTX. Bodies are flat, so two things that had one name in
// different scopes get different names here.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "protocol/base/status.h"
#include "soft-gpu/ptx/ast.h"

namespace farlane::soft::ptx {

// Thread: caller's.
class BodyPrinter {
 public:
  BodyPrinter(const Module& module, const Function& function, const Body& body);

  // Declarations and instructions, without the braces around them.
  Status Print(std::string* out) const;

  // Guard, opcode, operands and ';'.
  void PrintInstruction(const Instruction& instruction, std::string* out) const;

 private:
  std::string Choose(std::string_view wanted);
  void PrintRegisters(std::string* out) const;
  void PrintTables(std::string* out) const;
  void PrintLocation(const SourceLocation& location, std::string* out) const;
  void PrintOperand(const Operand& operand, std::string* out) const;
  void PrintList(const Operand& operand, const char* brackets, std::string* out) const;
  void PrintAddress(const Operand& operand, std::string* out) const;
  void PrintCall(const Instruction& instruction, std::string* out) const;
  void PrintOffset(int64_t offset, std::string* out) const;
  std::string NameOfReference(const Operand& operand) const;

  const Module& module_;
  const Function& function_;
  const Body& body_;
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, size_t> numbers_;  // the last one put behind a name
  std::vector<std::string> registers_;
  std::vector<std::string> variables_;
  std::vector<std::string> labels_;
  std::vector<std::string> branch_tables_;
  std::vector<std::string> call_tables_;
  std::vector<std::string> prototypes_;
};

}  // namespace farlane::soft::ptx
