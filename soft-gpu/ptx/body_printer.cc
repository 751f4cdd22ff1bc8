// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/body_printer.h"

#include <array>
#include <cstdio>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/declaration_printer.h"

namespace farlane::soft::ptx {

namespace {

std::string_view NameOfSelector(Selector selector) {
  constexpr std::array<std::string_view, 12> kNames{"",    ".x",  ".y",  ".z",  ".w",  ".b0",
                                                    ".b1", ".b2", ".b3", ".h0", ".h1", ""};
  return kNames[static_cast<size_t>(selector)];
}

void PrintSelector(const Operand& operand, std::string* out) {
  if (operand.selector != Selector::kMask) {
    *out += NameOfSelector(operand.selector);
    return;
  }
  *out += ".";
  for (int shift = 56; shift >= 0; shift -= 8) {
    if (const auto c = static_cast<char>(operand.bits >> shift); c != '\0') {
      *out += c;
    }
  }
}

void PrintImmediate(const Operand& operand, std::string* out) {
  std::array<char, 24> text{};
  const auto bits = static_cast<unsigned long long>(operand.bits);
  switch (operand.immediate) {
    case ImmediateKind::kSigned:
      if (bits == 1ULL << 63) {  // its decimal form would be the negative of an unsigned number
        *out += "(.s64)0x8000000000000000";
        return;
      }
      std::snprintf(text.data(), text.size(), "%lld", static_cast<long long>(bits));
      break;
    case ImmediateKind::kUnsigned:
      std::snprintf(text.data(), text.size(), "%lluU", bits);
      break;
    case ImmediateKind::kFloat32:
      std::snprintf(text.data(), text.size(), "0f%08llX", bits);
      break;
    case ImmediateKind::kFloat64:
      std::snprintf(text.data(), text.size(), "0d%016llX", bits);
      break;
  }
  *out += text.data();
}

}  // namespace

BodyPrinter::BodyPrinter(const Module& module, const Function& function, const Body& body)
    : module_(module), function_(function), body_(body) {
  // Parameters keep their names; everything else gives way.
  for (const auto* list : {&function.return_parameters, &function.parameters}) {
    for (const Variable& parameter : *list) {
      taken_.emplace(parameter.name);
    }
  }
  const size_t parameter_registers = [&body] {
    size_t count = 0;
    for (const auto* list : {&body.return_registers, &body.parameter_registers}) {
      for (const RegisterId id : *list) {
        count += id != kNoIndex ? 1 : 0;
      }
    }
    return count;
  }();
  for (RegisterId id = 0; id < body.registers.size(); ++id) {
    const std::string name = body.NameOfRegister(id);
    registers_.push_back(id < parameter_registers ? name : Choose(name));
  }
  const auto choose_all = [this](const auto& entities, std::vector<std::string>* names) {
    for (const auto& entity : entities) {
      names->push_back(Choose(entity.name));
    }
  };
  choose_all(body.variables, &variables_);
  choose_all(body.labels, &labels_);
  choose_all(body.branch_tables, &branch_tables_);
  choose_all(body.call_tables, &call_tables_);
  choose_all(body.prototypes, &prototypes_);
}

// The wanted name, or that with a number behind it if it is taken in the function or its module.
std::string BodyPrinter::Choose(std::string_view wanted) {
  std::string name(wanted);
  size_t& number = numbers_[name];  // goes on where the last one stopped: a name may come often
  while (module_.Find(name) || !taken_.insert(name).second) {
    name = std::string(wanted) + "$" + std::to_string(++number);
  }
  return name;
}

void BodyPrinter::PrintRegisters(std::string* out) const {
  std::unordered_set<RegisterId> parameters(body_.return_registers.begin(),
                                            body_.return_registers.end());
  parameters.insert(body_.parameter_registers.begin(), body_.parameter_registers.end());
  for (RegisterId id = 0; id < body_.registers.size(); ++id) {
    if (parameters.count(id) != 0) {
      continue;  // declared in the head
    }
    const RegisterInfo& info = body_.registers[id];
    *out += ".reg ";
    *out += info.vector > 1 ? ".v" + std::to_string(info.vector) + " " : "";
    *out += "." + std::string(InfoOf(info.type).name) + " " + registers_[id] + ";\n";
  }
}

void BodyPrinter::PrintTables(std::string* out) const {
  for (size_t i = 0; i < body_.prototypes.size(); ++i) {
    const Prototype& prototype = body_.prototypes[i].prototype;
    *out += prototypes_[i] + ": .callprototype ";
    if (!prototype.return_parameters.empty()) {
      PrintParameters(prototype.return_parameters, out);
    }
    *out += " _ ";
    PrintParameters(prototype.parameters, out);
    *out += prototype.noreturn ? " .noreturn;\n" : ";\n";
  }
  for (size_t i = 0; i < body_.call_tables.size(); ++i) {
    *out += call_tables_[i] + ": .calltargets";
    for (const uint32_t function : body_.call_tables[i].functions) {
      *out += function == body_.call_tables[i].functions[0] && out->back() == 's' ? " " : ", ";
      *out += module_.functions[function].name;
    }
    *out += ";\n";
  }
  for (size_t i = 0; i < body_.branch_tables.size(); ++i) {
    *out += branch_tables_[i] + ": .branchtargets ";
    for (size_t k = 0; k < body_.branch_tables[i].targets.size(); ++k) {
      *out += (k == 0 ? "" : ", ") + labels_[body_.branch_tables[i].targets[k]];
    }
    *out += ";\n";
  }
}

void BodyPrinter::PrintLocation(const SourceLocation& location, std::string* out) const {
  *out += ".loc " + std::to_string(location.file) + " " + std::to_string(location.line) + " " +
          std::to_string(location.column) + std::string(location.rest) + "\n";
}

Status BodyPrinter::Print(std::string* out) const {
  PrintRegisters(out);
  for (size_t i = 0; i < body_.variables.size(); ++i) {
    FARLANE_TRY(PrintVariable(module_, body_.variables[i], variables_[i], out));
    *out += ";\n";
  }
  PrintTables(out);
  size_t label = 0;
  size_t pragma = 0;
  uint32_t location = 0;  // the next to print; inlined_at refers to those before, used or not
  for (size_t i = 0; i <= body_.instructions.size(); ++i) {
    for (; pragma < body_.pragmas.size() && body_.pragmas[pragma].instruction == i; ++pragma) {
      *out += ".pragma \"" + std::string(body_.pragmas[pragma].text) + "\";\n";
    }
    for (; label < body_.labels.size() && body_.labels[label].instruction == i; ++label) {
      *out += labels_[label] + ":\n";
    }
    if (i == body_.instructions.size()) {
      break;
    }
    const Instruction& instruction = body_.instructions[i];
    for (; instruction.location != kNoIndex && location <= instruction.location; ++location) {
      PrintLocation(body_.locations[location], out);
    }
    PrintInstruction(instruction, out);
    *out += "\n";
  }
  return Status::Ok();
}

void BodyPrinter::PrintInstruction(const Instruction& instruction, std::string* out) const {
  if (instruction.predicate != kNoIndex) {
    *out += (instruction.predicate_negated ? "@!" : "@") + registers_[instruction.predicate] + " ";
  }
  const std::string_view opcode =
      instruction.text.substr(0, instruction.text.find_first_of(". \t\r\n/"));
  *out += instruction.opcode != Opcode::kUnknown ? NameOf(instruction.opcode) : opcode;
  for (const Modifier modifier : instruction.modifiers) {
    *out += "." + std::string(body_.NameOf(modifier));
  }
  if (instruction.opcode == Opcode::kCall) {
    PrintCall(instruction, out);
    return;
  }
  for (size_t i = 0; i < instruction.operands.size(); ++i) {
    *out += i == 0 ? " " : ", ";
    PrintOperand(instruction.operands[i], out);
  }
  *out += ";";
}

// Empty tuples of a call and a missing prototype are not written.
void BodyPrinter::PrintCall(const Instruction& instruction, std::string* out) const {
  const Operand& results = instruction.operands[0];
  const Operand& arguments = instruction.operands[2];
  const Operand& table = instruction.operands[3];
  *out += " ";
  if (!results.children.empty()) {
    PrintOperand(results, out);
    *out += ", ";
  }
  PrintOperand(instruction.operands[1], out);
  if (!arguments.children.empty()) {
    *out += ", ";
    PrintOperand(arguments, out);
  }
  if (table.kind != OperandKind::kSink) {
    *out += ", ";
    PrintOperand(table, out);
  }
  *out += ";";
}

std::string BodyPrinter::NameOfReference(const Operand& operand) const {
  switch (operand.ref) {
    case Ref::kRegister:
      return registers_[operand.id];
    case Ref::kGlobalVariable:
      return std::string(module_.variables[operand.id].name);
    case Ref::kFunction:
      return std::string(module_.functions[operand.id].name);
    case Ref::kParameter:
      return std::string(function_.parameters[operand.id].name);
    case Ref::kReturnParameter:
      return std::string(function_.return_parameters[operand.id].name);
    case Ref::kLocalVariable:
      return variables_[operand.id];
    case Ref::kNone:
      break;
  }
  return "";
}

void BodyPrinter::PrintOffset(int64_t offset, std::string* out) const {
  if (offset != 0) {
    *out += "+" + std::to_string(offset);  // +-8: a bare minus is not PTX
  }
}

void BodyPrinter::PrintAddress(const Operand& operand, std::string* out) const {
  *out += "[";
  if (operand.ref == Ref::kNone) {
    *out += std::to_string(operand.offset);
  } else {
    *out += NameOfReference(operand);
    PrintSelector(operand, out);
    PrintOffset(operand.offset, out);
  }
  for (const Operand& child : operand.children) {
    *out += ", ";
    PrintOperand(child, out);
  }
  *out += "]";
}

void BodyPrinter::PrintList(const Operand& operand, const char* brackets, std::string* out) const {
  *out += brackets[0];
  for (size_t i = 0; i < operand.children.size(); ++i) {
    *out += i == 0 ? "" : ", ";
    PrintOperand(operand.children[i], out);
  }
  *out += brackets[1];
}

void BodyPrinter::PrintOperand(const Operand& operand, std::string* out) const {
  *out += operand.negated ? (operand.selector == Selector::kNone ? "!" : "-") : "";
  switch (operand.kind) {
    case OperandKind::kSink:
      *out += "_";
      break;
    case OperandKind::kRegister:
      *out += NameOfReference(operand);
      PrintSelector(operand, out);
      break;
    case OperandKind::kSpecial:
      *out += NameOf(static_cast<SpecialRegister>(operand.id));
      PrintSelector(operand, out);
      break;
    case OperandKind::kImmediate:
      PrintImmediate(operand, out);
      break;
    case OperandKind::kSymbol:
      *out += NameOfReference(operand);
      PrintOffset(operand.offset, out);
      break;
    case OperandKind::kAddress:
      PrintAddress(operand, out);
      break;
    case OperandKind::kVector:
      PrintList(operand, "{}", out);
      break;
    case OperandKind::kTuple:
      PrintList(operand, "()", out);
      break;
    case OperandKind::kPair:
      PrintOperand(operand.children[0], out);
      *out += "|";
      PrintOperand(operand.children[1], out);
      break;
    case OperandKind::kLabel:
      *out += labels_[operand.id];
      break;
    case OperandKind::kBranchTable:
      *out += branch_tables_[operand.id];
      break;
    case OperandKind::kCallTable:
      *out += call_tables_[operand.id];
      break;
    case OperandKind::kPrototype:
      *out += prototypes_[operand.id];
      break;
  }
}

}  // namespace farlane::soft::ptx
