// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/body_names.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "soft-gpu/ptx/limits.h"

namespace farlane::soft::ptx {

namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// Where the digits at the end of a name begin, as far as they can be the number of a register.
size_t DigitsAtEnd(std::string_view name) {
  constexpr size_t kDigitsMax = 7;  // of kRegistersMax
  size_t begin = name.size();
  while (begin > 1 && name.size() - begin < kDigitsMax && IsDigit(name[begin - 1])) {
    --begin;
  }
  return begin;
}

}  // namespace

BodyNames::BodyNames(const Module& module, const Function& function, const Lexer& lexer, Body* body)
    : module_(module), lexer_(lexer), body_(*body) {
  DeclareParameters(function.return_parameters, Kind::kReturnParameter, &body->return_registers);
  DeclareParameters(function.parameters, Kind::kParameter, &body->parameter_registers);
  scopes_.push_back({.number = ++scope_count_, .first_use = 0, .first_undo = 0, .labels = {}});
}

void BodyNames::DeclareParameters(const std::vector<Variable>& parameters,
                                  Kind kind,
                                  std::vector<RegisterId>* registers) {
  for (uint32_t i = 0; i < parameters.size(); ++i) {
    const Variable& parameter = parameters[i];
    const bool is_register = parameter.space == Space::kRegister;
    registers->push_back(kNoIndex);
    if (is_register) {
      const auto slot = static_cast<uint32_t>(slots_.size());
      slots_.push_back(kNoIndex);
      declared_.push_back(
          {{.name = parameter.name, .type = parameter.type, .vector = parameter.vector}, slot});
      registers->back() = UseSlot(declared_.back(), 0);
    }
    const auto index = static_cast<uint32_t>(declared_.size() - 1);
    if (!parameter.name.empty()) {
      names_[parameter.name] = is_register ? Entity{Kind::kRegister, index, 0} : Entity{kind, i, 0};
    }
  }
}

Status BodyNames::Open() {
  if (scopes_.size() == kScopeDepthMax) {
    return lexer_.Error("blocks are nested too deeply");
  }
  scopes_.push_back({.number = ++scope_count_,
                     .first_use = use_count_,
                     .first_undo = undo_.size(),
                     .labels = {}});
  return Status::Ok();
}

Status BodyNames::Close() {
  if (scopes_.size() == 1) {
    return lexer_.Error("this '}' closes nothing");
  }
  const Scope& scope = scopes_.back();
  for (const LabelEntity& label : scope.labels) {
    // Uses inside this scope are the last ones of their name: those of inner scopes are settled.
    std::vector<LabelUse>& uses = uses_[label.name];
    while (!uses.empty() && uses.back().serial >= scope.first_use) {
      Settle(uses.back(), label);
      uses.pop_back();
    }
    label_scopes_[label.name] = label.outer_scope;
  }
  while (undo_.size() > scope.first_undo) {
    const Undo& undo = undo_.back();
    (undo.is_range ? ranges_ : names_)[undo.name] = undo.previous;
    undo_.pop_back();
  }
  scopes_.pop_back();
  return Status::Ok();
}

Status BodyNames::Finish() {
  if (scopes_.size() > 1) {
    return lexer_.Error("a '{' is never closed");
  }
  for (const LabelEntity& label : scopes_.back().labels) {
    std::vector<LabelUse>& uses = uses_[label.name];
    for (const LabelUse& use : uses) {
      Settle(use, label);
    }
    uses.clear();
  }
  const LabelUse* first = nullptr;
  for (const auto& [name, uses] : uses_) {
    if (!uses.empty() && (first == nullptr || uses.front().serial < first->serial)) {
      first = &uses.front();
    }
  }
  if (first != nullptr) {
    return lexer_.ErrorAt(first->name, "unknown name '" + std::string(first->name) + "'");
  }
  return Status::Ok();
}

Status BodyNames::DeclaredTwice(std::string_view name) const {
  return lexer_.ErrorAt(name, "'" + std::string(name) + "' is declared a second time");
}

Status BodyNames::Add(std::string_view name, Kind kind, uint32_t id) {
  const bool is_range = kind == Kind::kRange;
  Entity& entity = (is_range ? ranges_ : names_)[name];
  const uint32_t scope = scopes_.back().number;
  if (entity.kind != Kind::kAbsent && entity.scope == scope) {
    return DeclaredTwice(name);
  }
  undo_.push_back({name, entity, is_range});
  entity = {kind, id, scope};
  return Status::Ok();
}

Status BodyNames::DeclareRegister(const RegisterDeclaration& declaration) {
  if (declaration.count > kRegistersMax - slots_.size()) {
    return lexer_.ErrorAt(declaration.name, "a function declares at most 4194304 registers");
  }
  const auto index = static_cast<uint32_t>(declared_.size());
  declared_.push_back({declaration, static_cast<uint32_t>(slots_.size())});
  slots_.resize(slots_.size() + declaration.count, kNoIndex);
  if (declaration.is_range) {
    has_digit_range_ |= IsDigit(declaration.name.back());
    return Add(declaration.name, Kind::kRange, index);
  }
  return Add(declaration.name, Kind::kRegister, index);
}

Status BodyNames::DeclareVariable(Variable variable) {
  const auto index = static_cast<uint32_t>(body_.variables.size());
  FARLANE_TRY(Add(variable.name, Kind::kLocal, index));
  body_.variables.push_back(std::move(variable));
  return Status::Ok();
}

Status BodyNames::DeclareLabel(std::string_view name, OperandKind kind, uint32_t id) {
  Scope& scope = scopes_.back();
  uint32_t& owner = label_scopes_[name];
  if (owner == scope.number) {
    return DeclaredTwice(name);
  }
  scope.labels.push_back({name, kind, id, owner});
  owner = scope.number;
  return Status::Ok();
}

RegisterId BodyNames::UseSlot(const Declared& declared, uint64_t index) {
  RegisterId& slot = slots_[declared.first_slot + index];
  if (slot == kNoIndex) {
    const RegisterDeclaration& declaration = declared.declaration;
    slot = static_cast<RegisterId>(body_.registers.size());
    body_.registers.push_back(
        {.name = declaration.name,
         .index = declaration.is_range ? static_cast<uint32_t>(index) : kNoIndex,
         .type = declaration.type,
         .vector = declaration.vector});
  }
  return slot;
}

void BodyNames::SetEntity(Entity entity, Operand* operand) {
  operand->kind = OperandKind::kSymbol;
  operand->id = entity.id;
  switch (entity.kind) {
    case Kind::kRegister:
      operand->kind = OperandKind::kRegister;
      operand->ref = Ref::kRegister;
      operand->id = UseSlot(declared_[entity.id], 0);
      break;
    case Kind::kParameter:
      operand->ref = Ref::kParameter;
      break;
    case Kind::kReturnParameter:
      operand->ref = Ref::kReturnParameter;
      break;
    default:
      operand->ref = Ref::kLocalVariable;
      break;
  }
}

Result<bool> BodyNames::ResolveRange(std::string_view name, Operand* operand) {
  const size_t digits = DigitsAtEnd(name);
  const size_t last = has_digit_range_ ? name.size() : std::min(digits + 1, name.size());
  const RegisterDeclaration* too_small = nullptr;  // fits the name but not its number
  for (size_t split = digits; split < last; ++split) {
    const bool leading_zero = name[split] == '0' && split + 1 < name.size();
    const auto found = leading_zero ? ranges_.end() : ranges_.find(name.substr(0, split));
    if (found == ranges_.end() || found->second.kind == Kind::kAbsent) {
      continue;
    }
    const Declared& declared = declared_[found->second.id];
    uint64_t index = 0;
    std::from_chars(name.data() + split, name.data() + name.size(), index);
    if (index >= declared.declaration.count) {
      too_small = too_small == nullptr ? &declared.declaration : too_small;
      continue;
    }
    operand->kind = OperandKind::kRegister;
    operand->ref = Ref::kRegister;
    operand->id = UseSlot(declared, index);
    return true;
  }
  if (too_small != nullptr) {
    return lexer_.ErrorAt(name, "'" + std::string(name) + "' is not declared: '" +
                                    std::string(too_small->name) + "' has " +
                                    std::to_string(too_small->count) + " registers");
  }
  return false;
}

bool BodyNames::ResolveSymbol(std::string_view name, Operand* operand) const {
  if (const std::optional<Symbol> symbol = module_.Find(name)) {
    operand->kind = OperandKind::kSymbol;
    operand->ref = symbol->kind == SymbolKind::kFunction ? Ref::kFunction : Ref::kGlobalVariable;
    operand->id = symbol->index;
    return true;
  }
  return false;
}

Result<bool> BodyNames::Resolve(std::string_view name, Operand* operand) {
  const auto found = names_.find(name);
  if (found != names_.end() && found->second.kind != Kind::kAbsent) {
    SetEntity(found->second, operand);
    return true;
  }
  FARLANE_ASSIGN(const bool in_range, ResolveRange(name, operand));
  if (in_range) {
    return true;
  }
  if (name[0] == '%') {
    if (const std::optional<SpecialRegister> special = FindSpecialRegister(name)) {
      operand->kind = OperandKind::kSpecial;
      operand->id = static_cast<uint32_t>(*special);
      return true;
    }
  }
  return ResolveSymbol(name, operand);
}

void BodyNames::AddUse(LabelUse use) {
  use.serial = use_count_++;
  uses_[use.name].push_back(use);
}

void BodyNames::Await(std::string_view name, Operand* operand) {
  AddUse({.name = name, .operand = operand});
}

void BodyNames::AwaitTarget(std::string_view name, uint32_t table, uint32_t slot) {
  AddUse({.name = name, .table = table, .slot = slot});
}

void BodyNames::Settle(const LabelUse& use, const LabelEntity& label) {
  if (use.operand != nullptr) {
    use.operand->kind = label.kind;
    use.operand->id = label.id;
  } else if (label.kind == OperandKind::kLabel) {
    body_.branch_tables[use.table].targets[use.slot] = label.id;
  }
}

}  // namespace farlane::soft::ptx
