// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/optable.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "protocol/base/check.h"
#include "soft-gpu/ptx/operand_width.h"
#include "soft-gpu/ptx/optable_rows.h"

namespace farlane::soft::ptx {

namespace {

struct RoleRow {
  std::string_view word;
  OperandRole role;
};

constexpr std::array<RoleRow, 12> kRoles{{{"dst", OperandRole::kDestination},
                                          {"dst.v", OperandRole::kDestinationVector},
                                          {"dst|pred", OperandRole::kDestinationPair},
                                          {"pred|pred", OperandRole::kPredicatePair},
                                          {"pred", OperandRole::kPredicate},
                                          {"src", OperandRole::kSource},
                                          {"src.v", OperandRole::kSourceVector},
                                          {"[addr]", OperandRole::kAddress},
                                          {"imm", OperandRole::kImmediate},
                                          {"label", OperandRole::kLabel},
                                          {"table", OperandRole::kTable},
                                          {"any", OperandRole::kAny}}};

constexpr std::string_view kSeparator = " : ";  // with blanks: L2::64B is a modifier

// Cuts the first piece off `text`, up to `separator`.
std::string_view CutPiece(std::string_view* text, char separator) {
  const size_t end = std::min(text->find(separator), text->size());
  const std::string_view piece = text->substr(0, end);
  text->remove_prefix(std::min(end + 1, text->size()));
  return piece;
}

// Adds the words of a group; $sets are opened (one level: sets hold no sets).
void AddChoices(std::string_view words, std::vector<Modifier>* choices) {
  while (!words.empty()) {
    const std::string_view word = CutPiece(&words, '|');
    if (word[0] == '$') {
      const auto sets = SetRows();
      const auto set = std::find_if(sets.begin(), sets.end(),
                                    [word](const SetRow& row) { return row.name == word; });
      FARLANE_CHECK(set != sets.end());
      AddChoices(set->words, choices);
      continue;
    }
    const Modifier modifier = FindModifier(word);
    FARLANE_CHECK(modifier != Modifier::kNone);
    choices->push_back(modifier);
  }
}

OperandSlot MakeSlot(std::string_view word) {
  OperandSlot slot;
  slot.is_optional = word[0] == '?';
  word.remove_prefix(slot.is_optional ? 1 : 0);
  const auto row = std::find_if(kRoles.begin(), kRoles.end(),
                                [word](const RoleRow& r) { return r.word == word; });
  FARLANE_CHECK(row != kRoles.end());
  slot.role = row->role;
  return slot;
}

Form MakeForm(const FormRow& row) {
  Form form;
  form.opcode = row.opcode;
  form.stage = row.stage;
  form.syntax = row.syntax;
  const size_t split = std::min(row.syntax.find(kSeparator), row.syntax.size());
  std::string_view modifiers = row.syntax.substr(0, split);
  std::string_view rest = row.syntax.substr(split);
  rest.remove_prefix(std::min(kSeparator.size(), rest.size()));
  while (!modifiers.empty()) {
    const std::string_view word = CutPiece(&modifiers, ' ');
    if (word == "*") {
      form.is_open = true;
    } else if (!word.empty()) {
      ModifierGroup& group = form.groups.emplace_back();
      group.is_optional = word[0] == '?';
      AddChoices(word.substr(group.is_optional ? 1 : 0), &group.choices);
    }
  }
  while (!rest.empty()) {
    if (const std::string_view word = CutPiece(&rest, ' '); !word.empty()) {
      form.operands.push_back(MakeSlot(word));
    }
  }
  return form;
}

std::vector<Form> MakeForms() {
  std::vector<Form> forms;
  for (const FormRow& row : FormRows()) {
    forms.push_back(MakeForm(row));
  }
  std::stable_sort(forms.begin(), forms.end(),
                   [](const Form& a, const Form& b) { return a.opcode < b.opcode; });
  return forms;
}

// Gives each modifier to the first free group that takes it; all needed groups must get one.
bool ModifiersFit(const Form& form, std::span<const Modifier> modifiers) {
  constexpr size_t kGroupsMax = 32;
  FARLANE_CHECK(form.groups.size() <= kGroupsMax);
  uint32_t taken = 0;
  for (const Modifier modifier : modifiers) {
    bool found = form.is_open;
    for (size_t i = 0; i < form.groups.size(); ++i) {
      const std::vector<Modifier>& choices = form.groups[i].choices;
      const bool is_free = (taken >> i & 1) == 0;
      if (is_free && std::find(choices.begin(), choices.end(), modifier) != choices.end()) {
        taken |= uint32_t{1} << i;
        found = true;
        break;
      }
    }
    if (!found) {
      return false;
    }
  }
  for (size_t i = 0; i < form.groups.size(); ++i) {
    if (!form.groups[i].is_optional && (taken >> i & 1) == 0) {
      return false;
    }
  }
  return true;
}

bool IsValue(const Operand& operand) {
  return operand.kind == OperandKind::kRegister || operand.kind == OperandKind::kSpecial ||
         operand.kind == OperandKind::kImmediate || operand.kind == OperandKind::kSymbol;
}

bool IsTarget(const Operand& operand) {
  return operand.kind == OperandKind::kSink ||
         (operand.kind == OperandKind::kRegister && !operand.negated);
}

bool OperandFits(OperandRole role, const Operand& operand) {
  const auto all_are = [&operand](OperandKind kind, bool (*fits)(const Operand&)) {
    return operand.kind == kind &&
           std::all_of(operand.children.begin(), operand.children.end(), fits);
  };
  switch (role) {
    case OperandRole::kDestination:
      return IsTarget(operand);
    case OperandRole::kDestinationVector:
      return IsTarget(operand) || all_are(OperandKind::kVector, IsTarget);
    case OperandRole::kDestinationPair:
    case OperandRole::kPredicatePair:
      return IsTarget(operand) || all_are(OperandKind::kPair, IsTarget);
    case OperandRole::kPredicate:
      return operand.kind == OperandKind::kRegister || operand.kind == OperandKind::kImmediate;
    case OperandRole::kSource:
      return IsValue(operand);
    case OperandRole::kSourceVector: {
      const auto value_or_sink = [](const Operand& part) {
        return IsValue(part) || part.kind == OperandKind::kSink;
      };
      return IsValue(operand) || all_are(OperandKind::kVector, value_or_sink);
    }
    case OperandRole::kAddress:
      return operand.kind == OperandKind::kAddress;
    case OperandRole::kImmediate:
      return operand.kind == OperandKind::kImmediate;
    case OperandRole::kLabel:
      return operand.kind == OperandKind::kLabel;
    case OperandRole::kTable:
      return operand.kind == OperandKind::kBranchTable;
    case OperandRole::kAny:
      return true;
  }
  return false;
}

// Whether the operands fill the slots in order; recursion is as deep as a form has slots.
bool OperandsFit(std::span<const OperandSlot> slots, std::span<const Operand> operands) {
  if (slots.empty()) {
    return operands.empty();
  }
  if (!operands.empty() && OperandFits(slots[0].role, operands[0]) &&
      OperandsFit(slots.subspan(1), operands.subspan(1))) {
    return true;
  }
  return slots[0].is_optional && OperandsFit(slots.subspan(1), operands);
}

std::string Quote(const Instruction& instruction) {
  constexpr size_t kQuotedMax = 80;  // a message is one readable line
  return "'" + std::string(instruction.text.substr(0, kQuotedMax)) + "'";
}

void VisitFrom(const Form& form,
               size_t group,
               std::vector<Modifier>* chosen,
               const std::function<void(std::span<const Modifier>)>& visit) {
  if (group == form.groups.size()) {
    visit(*chosen);
    return;
  }
  if (form.groups[group].is_optional) {
    VisitFrom(form, group + 1, chosen, visit);
  }
  for (const Modifier modifier : form.groups[group].choices) {
    chosen->push_back(modifier);
    VisitFrom(form, group + 1, chosen, visit);
    chosen->pop_back();
  }
}

}  // namespace

std::string_view NameOf(Stage stage) {
  constexpr std::array<std::string_view, 8> kNames{"S0", "S1", "S2", "S3",
                                                   "S4", "S5", "S6", "never"};
  return kNames[static_cast<size_t>(stage)];
}

std::span<const Form> AllForms() {
  static const std::vector<Form> forms = MakeForms();
  return forms;
}

std::span<const Form> FormsOf(Opcode opcode) {
  const auto forms = AllForms();
  const auto begin = std::lower_bound(forms.begin(), forms.end(), opcode,
                                      [](const Form& f, Opcode o) { return f.opcode < o; });
  const auto end =
      std::find_if(begin, forms.end(), [opcode](const Form& f) { return f.opcode != opcode; });
  return {begin, end};
}

const Form* FindFormOrNull(const Instruction& instruction) {
  for (const Form& form : FormsOf(instruction.opcode)) {
    if (ModifiersFit(form, instruction.modifiers) &&
        OperandsFit(form.operands, instruction.operands)) {
      return &form;
    }
  }
  return nullptr;
}

Status CheckInstruction(const Module& module, const Body& body, const Instruction& instruction) {
  const bool has_form = FindFormOrNull(instruction) != nullptr;
  const RegisterId misfit = has_form ? RegisterOfWrongWidth(body, instruction) : kNoIndex;
  if (has_form && misfit == kNoIndex) {
    return Status::Ok();
  }
  const Position at = module.PositionAt(module.OffsetOf(instruction.text));
  const std::string where =
      "line " + std::to_string(at.line) + ", column " + std::to_string(at.column) + ": ";
  if (has_form) {
    return {StatusCode::kInvalidArgument, where + "register " + body.NameOfRegister(misfit) +
                                              " has not the width that " + Quote(instruction) +
                                              " takes"};
  }
  if (instruction.opcode == Opcode::kUnknown) {
    return {StatusCode::kUnsupported, where + "unknown instruction " + Quote(instruction)};
  }
  for (const Modifier modifier : instruction.modifiers) {
    if (IsExtra(modifier)) {
      return {StatusCode::kInvalidArgument, where + "unknown modifier '." +
                                                std::string(body.NameOf(modifier)) + "' of " +
                                                Quote(instruction)};
    }
  }
  const auto forms = FormsOf(instruction.opcode);
  const bool modifiers_fit = std::any_of(forms.begin(), forms.end(), [&](const Form& form) {
    return ModifiersFit(form, instruction.modifiers);
  });
  return {StatusCode::kInvalidArgument,
          where + Quote(instruction) +
              (modifiers_fit ? " does not take these operands"
                             : " is no combination of modifiers that PTX has")};
}

void ForEachVariant(const Form& form, const std::function<void(std::span<const Modifier>)>& visit) {
  std::vector<Modifier> chosen;
  VisitFrom(form, 0, &chosen, visit);
}

}  // namespace farlane::soft::ptx
