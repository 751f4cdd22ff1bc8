// SPDX-License-Identifier: Apache-2.0
// ParseBody: the instructions of one function.
#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "soft-gpu/ptx/body_names.h"
#include "soft-gpu/ptx/declaration.h"
#include "soft-gpu/ptx/lexer.h"
#include "soft-gpu/ptx/limits.h"
#include "soft-gpu/ptx/operand_reader.h"
#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {

namespace {

// Reads statement after statement; scopes are counted, not recursed into.
// Thread: caller's.
class BodyReader {
 public:
  BodyReader(const Module& module, const Function& function, Body* body)
      : body_(*body),
        lexer_(*module.text, function.body),
        declarations_(lexer_),
        names_(module, function, lexer_, body),
        operands_(module, lexer_, names_, body) {}

  Status Read(const Module& module);

 private:
  Status ReadStatement(const Module& module);
  Status ReadGuard(Instruction* instruction);
  Status ReadInstruction(Instruction instruction);
  Status ReadOpcode(Instruction* instruction);
  Status ReadLabel(const Module& module);
  Status ReadBranchTargets(std::string_view name);
  Status ReadCallTargets(const Module& module, std::string_view name);
  Status ReadDirective();
  Status ReadOtherDirective(std::string_view word);
  Status ReadVariables(Linkage linkage);
  Status ReadRegisters();
  Status Variant(std::string_view text, Instruction* instruction);
  Modifier Intern(std::string_view word);
  Status CheckTables();
  Status Expect(char punctuation);

  Body& body_;
  Lexer lexer_;
  DeclarationReader declarations_;
  BodyNames names_;
  OperandReader operands_;
  uint32_t location_ = kNoIndex;
  // Opcodes with their modifiers, as written: few differ, so each is taken apart once.
  std::unordered_map<std::string_view, Instruction, NameHash> variants_;
  std::unordered_map<std::string_view, Modifier, NameHash> extras_;
  std::vector<RegisterDeclaration> register_scratch_;
  std::vector<Variable> variable_scratch_;
};

Status BodyReader::Expect(char punctuation) {
  return lexer_.Accept(punctuation) ? Status::Ok()
                                    : lexer_.Expected(std::string{'\'', punctuation, '\''});
}

Status BodyReader::Read(const Module& module) {
  while (!lexer_.AtEnd()) {
    FARLANE_TRY(ReadStatement(module));
  }
  FARLANE_TRY(names_.Finish());
  return CheckTables();
}

// A target that named a table instead of a label was left open.
Status BodyReader::CheckTables() {
  for (const BranchTable& table : body_.branch_tables) {
    if (std::find(table.targets.begin(), table.targets.end(), kNoIndex) != table.targets.end()) {
      return lexer_.ErrorAt(table.name, "a target of '" + std::string(table.name) +
                                            "' is no label of an instruction");
    }
  }
  return Status::Ok();
}

Status BodyReader::ReadStatement(const Module& module) {
  if (lexer_.Is('{')) {
    FARLANE_TRY(names_.Open());
    lexer_.Next();
    return Status::Ok();
  }
  if (lexer_.Is('}')) {
    FARLANE_TRY(names_.Close());
    lexer_.Next();
    return Status::Ok();
  }
  if (lexer_.Accept(';')) {
    return Status::Ok();
  }
  if (lexer_.IsDotted()) {
    return ReadDirective();
  }
  Instruction instruction;
  if (lexer_.Is('@')) {
    FARLANE_TRY(ReadGuard(&instruction));
    return ReadInstruction(instruction);
  }
  if (!lexer_.IsWord()) {
    return lexer_.Expected("an instruction, a label or a directive");
  }
  if (lexer_.CharacterAfter() == ':') {
    return ReadLabel(module);
  }
  return ReadInstruction(instruction);
}

// @%p or @!%p
Status BodyReader::ReadGuard(Instruction* instruction) {
  lexer_.Next();
  instruction->predicate_negated = lexer_.Accept('!');
  Operand guard;
  bool known = false;
  if (lexer_.IsWord()) {
    FARLANE_ASSIGN(known, names_.Resolve(lexer_.token().text, &guard));
  }
  const bool is_predicate =
      known && guard.ref == Ref::kRegister && body_.registers[guard.id].type == Type::kPred;
  if (!is_predicate) {
    return lexer_.Expected("a predicate register");
  }
  instruction->predicate = guard.id;
  lexer_.Next();
  return lexer_.IsWord() ? Status::Ok() : lexer_.Expected("an instruction after the predicate");
}

Modifier BodyReader::Intern(std::string_view word) {
  if (const Modifier known = FindModifier(word); known != Modifier::kNone) {
    return known;
  }
  const auto next = static_cast<uint16_t>(static_cast<size_t>(Modifier::kFirstExtra) +
                                          body_.extra_modifiers.size());
  const auto [place, is_new] = extras_.try_emplace(word, static_cast<Modifier>(next));
  if (is_new) {
    body_.extra_modifiers.push_back(word);
  }
  return place->second;
}

// Takes "ld.global.u32" apart.
Status BodyReader::Variant(std::string_view text, Instruction* instruction) {
  constexpr size_t kExtrasMax = 0x4000;  // numbers left for words that no list knows
  Lexer words = lexer_.Within(text);
  instruction->opcode = FindOpcode(words.token().text);
  Modifier modifiers[kModifiersMax];
  size_t count = 0;
  for (words.Next(); words.IsDotted(); words.Next()) {
    if (count == kModifiersMax || body_.extra_modifiers.size() == kExtrasMax) {
      return words.Error("an instruction has too many modifiers");
    }
    modifiers[count] = Intern(words.token().text);
    const Type type = TypeOf(modifiers[count]);
    if (type != Type::kNone && instruction->type_count < instruction->types.size()) {
      instruction->types[instruction->type_count++] = type;
    }
    ++count;
  }
  if (count > 0) {
    void* room = body_.arena->allocate(count * sizeof(Modifier), alignof(Modifier));
    auto* stored = static_cast<Modifier*>(room);
    std::uninitialized_copy_n(modifiers, count, stored);
    instruction->modifiers = {stored, count};
  }
  return Status::Ok();
}

Status BodyReader::ReadOpcode(Instruction* instruction) {
  const char* begin = lexer_.token().text.data();
  lexer_.ExtendToModifiers();
  do {
    lexer_.Next();
  } while (lexer_.IsDotted());  // modifiers may stand apart
  std::string_view text(begin, static_cast<size_t>(lexer_.previous_end() - begin));
  text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
  const auto [place, is_new] = variants_.try_emplace(text);
  if (is_new) {
    FARLANE_TRY(Variant(text, &place->second));
  }
  const Instruction& variant = place->second;
  instruction->opcode = variant.opcode;
  instruction->modifiers = variant.modifiers;
  instruction->types = variant.types;
  instruction->type_count = variant.type_count;
  instruction->text = text;
  instruction->location = location_;
  return Status::Ok();
}

Status BodyReader::ReadInstruction(Instruction instruction) {
  if (body_.instructions.size() == kInstructionsMax) {
    return lexer_.Error("a function has at most 2097152 instructions");
  }
  FARLANE_TRY(ReadOpcode(&instruction));
  if (instruction.opcode == Opcode::kCall) {
    FARLANE_TRY(operands_.ReadCall(&instruction.operands));
  } else {
    FARLANE_TRY(operands_.ReadAll(instruction.opcode, &instruction.operands));
  }
  if (!lexer_.Accept(';')) {
    return lexer_.Expected("';' after an instruction");
  }
  body_.instructions.push_back(instruction);
  return Status::Ok();
}

Status BodyReader::ReadLabel(const Module& module) {
  const std::string_view name = lexer_.token().text;
  lexer_.Next();
  lexer_.Next();
  if (lexer_.IsDotted("branchtargets")) {
    return ReadBranchTargets(name);
  }
  if (lexer_.IsDotted("calltargets")) {
    return ReadCallTargets(module, name);
  }
  if (lexer_.IsDotted("callprototype")) {
    lexer_.Next();
    const auto id = static_cast<uint32_t>(body_.prototypes.size());
    body_.prototypes.push_back({name, {}});
    FARLANE_TRY(names_.DeclareLabel(name, OperandKind::kPrototype, id));
    return declarations_.ReadPrototype(&body_.prototypes.back().prototype);
  }
  const auto id = static_cast<uint32_t>(body_.labels.size());
  body_.labels.push_back({name, static_cast<uint32_t>(body_.instructions.size())});
  return names_.DeclareLabel(name, OperandKind::kLabel, id);
}

Status BodyReader::ReadBranchTargets(std::string_view name) {
  const auto table = static_cast<uint32_t>(body_.branch_tables.size());
  body_.branch_tables.push_back({name, {}});
  FARLANE_TRY(names_.DeclareLabel(name, OperandKind::kBranchTable, table));
  lexer_.Next();
  do {
    if (!lexer_.IsWord()) {
      return lexer_.Expected("a label");
    }
    std::vector<LabelId>& targets = body_.branch_tables[table].targets;
    names_.AwaitTarget(lexer_.token().text, table, static_cast<uint32_t>(targets.size()));
    targets.push_back(kNoIndex);
    lexer_.Next();
  } while (lexer_.Accept(','));
  return Expect(';');
}

Status BodyReader::ReadCallTargets(const Module& module, std::string_view name) {
  const auto table = static_cast<uint32_t>(body_.call_tables.size());
  body_.call_tables.push_back({name, {}});
  FARLANE_TRY(names_.DeclareLabel(name, OperandKind::kCallTable, table));
  lexer_.Next();
  do {
    const std::optional<Symbol> symbol = module.Find(lexer_.token().text);
    if (!lexer_.IsWord() || !symbol || symbol->kind != SymbolKind::kFunction) {
      return lexer_.Expected("the name of a declared function");
    }
    body_.call_tables[table].functions.push_back(symbol->index);
    lexer_.Next();
  } while (lexer_.Accept(','));
  return Expect(';');
}

Status BodyReader::ReadRegisters() {
  register_scratch_.clear();
  FARLANE_TRY(declarations_.ReadRegisters(&register_scratch_));
  for (const RegisterDeclaration& declaration : register_scratch_) {
    FARLANE_TRY(names_.DeclareRegister(declaration));
  }
  return Status::Ok();
}

Status BodyReader::ReadVariables(Linkage linkage) {
  variable_scratch_.clear();
  FARLANE_TRY(declarations_.ReadVariables(linkage, &variable_scratch_));
  for (Variable& variable : variable_scratch_) {
    FARLANE_TRY(names_.DeclareVariable(std::move(variable)));
  }
  return Status::Ok();
}

Status BodyReader::ReadDirective() {
  const std::string_view word = lexer_.token().text;
  if (word == "reg") {
    return ReadRegisters();
  }
  if (word == "loc") {
    lexer_.Next();
    location_ = static_cast<uint32_t>(body_.locations.size());
    body_.locations.emplace_back();
    return declarations_.ReadLocation(&body_.locations.back());
  }
  if (DeclarationReader::IsVariableSpace(word)) {
    return ReadVariables(Linkage::kNone);
  }
  return ReadOtherDirective(word);
}

Status BodyReader::ReadOtherDirective(std::string_view word) {
  if (word == "extern" || word == "visible" || word == "weak" || word == "common") {
    lexer_.Next();
    return ReadVariables(word == "extern" ? Linkage::kExtern : Linkage::kNone);
  }
  if (word == "pragma") {
    lexer_.Next();
    std::vector<std::string_view> strings;
    FARLANE_TRY(declarations_.ReadPragma(&strings));
    for (const std::string_view text : strings) {
      body_.pragmas.push_back({text, static_cast<uint32_t>(body_.instructions.size())});
    }
    return Status::Ok();
  }
  if (word == "file") {
    lexer_.Next();
    SourceFile ignored;  // modules declare their files; one inside a function is a repetition
    return declarations_.ReadFile(&ignored);
  }
  if (word == "branchtargets" || word == "calltargets" || word == "callprototype") {
    return lexer_.Error("'." + std::string(word) + "' needs a label before it");
  }
  return lexer_.Expected("an instruction, a label or a directive");
}

}  // namespace

Result<Body> ParseBody(const Module& module, const Function& function) {
  if (!function.has_body) {
    return Status(StatusCode::kNotFound,
                  "function '" + std::string(function.name) + "' is declared but has no body");
  }
  Body body;
  constexpr size_t kArenaBytesMin = 1024;
  body.arena = std::make_unique<std::pmr::monotonic_buffer_resource>(
      std::max(function.body.size(), kArenaBytesMin));
  FARLANE_TRY(BodyReader(module, function, &body).Read(module));
  return body;
}

}  // namespace farlane::soft::ptx
