// SPDX-License-Identifier: Apache-2.0
// BodyNames resolves the names of one function body: registers, variables and labels in nested
// scopes. Everything but a label is declared before it is used; labels are settled when their scope
// closes. Every operation costs time in proportion to what it adds, however scopes are nested.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/declaration.h"
#include "soft-gpu/ptx/lexer.h"

namespace farlane::soft::ptx {

// Thread: caller's.
class BodyNames {
 public:
  // Knows the function's parameters from the start; adds what it resolves to `body`.
  BodyNames(const Module& module, const Function& function, const Lexer& lexer, Body* body);

  Status Open();
  // Closes the innermost scope and settles the uses of its labels.
  Status Close();
  // Closes the function's own scope; fails if a name was never declared.
  Status Finish();

  Status DeclareRegister(const RegisterDeclaration& declaration);
  Status DeclareVariable(Variable variable);
  // A label of the instruction that comes next, or the name of a table (kind says which).
  Status DeclareLabel(std::string_view name, OperandKind kind, uint32_t id);

  // Sets kind, ref and id of an operand that names a register, variable or function.
  // False if the name is none of these (yet).
  Result<bool> Resolve(std::string_view name, Operand* operand);

  // `operand` becomes a label or table called `name` once that is known. It must stay where it is.
  void Await(std::string_view name, Operand* operand);
  // The same for a slot of a branch table.
  void AwaitTarget(std::string_view name, uint32_t table, uint32_t slot);

 private:
  enum class Kind : uint8_t { kAbsent, kRegister, kRange, kParameter, kReturnParameter, kLocal };

  struct Entity {
    Kind kind = Kind::kAbsent;
    uint32_t id = 0;
    uint32_t scope = 0;  // number of the scope that declared it
  };

  // What a name meant before the current scope changed it.
  struct Undo {
    std::string_view name;
    Entity previous;
    bool is_range = false;
  };

  struct Declared {  // registers of one declaration: a name, or a range of them
    RegisterDeclaration declaration;
    uint32_t first_slot = 0;
  };

  struct LabelUse {
    std::string_view name;
    uint32_t serial = 0;
    Operand* operand = nullptr;  // null: a slot of a branch table
    uint32_t table = 0;
    uint32_t slot = 0;
  };

  struct LabelEntity {
    std::string_view name;
    OperandKind kind = OperandKind::kLabel;
    uint32_t id = 0;
    uint32_t outer_scope = 0;  // scope that had declared this name before
  };

  struct Scope {
    uint32_t number = 0;
    uint32_t first_use = 0;  // serial of the first use of a label inside
    size_t first_undo = 0;
    std::vector<LabelEntity> labels;
  };

  using EntityTable = std::unordered_map<std::string_view, Entity, NameHash>;

  void DeclareParameters(const std::vector<Variable>& parameters,
                         Kind kind,
                         std::vector<RegisterId>* registers);
  Status Add(std::string_view name, Kind kind, uint32_t id);
  Status DeclaredTwice(std::string_view name) const;
  void AddUse(LabelUse use);
  void Settle(const LabelUse& use, const LabelEntity& label);
  RegisterId UseSlot(const Declared& declared, uint64_t index);
  Result<bool> ResolveRange(std::string_view name, Operand* operand);
  bool ResolveSymbol(std::string_view name, Operand* operand) const;
  void SetEntity(Entity entity, Operand* operand);

  const Module& module_;
  const Lexer& lexer_;
  Body& body_;
  EntityTable names_;
  EntityTable ranges_;            // by the name without its number
  bool has_digit_range_ = false;  // a range such as %a1<4>, whose registers end in two numbers
  std::vector<Declared> declared_;
  std::vector<RegisterId> slots_;  // one per declared register: its id once it is used
  std::unordered_map<std::string_view, std::vector<LabelUse>, NameHash> uses_;
  std::unordered_map<std::string_view, uint32_t, NameHash> label_scopes_;
  std::vector<Undo> undo_;
  std::vector<Scope> scopes_;
  uint32_t scope_count_ = 0;
  uint32_t use_count_ = 0;
};

}  // namespace farlane::soft::ptx
