// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/subjects.h"

#include <algorithm>
#include <set>
#include <string>

#include "tests/unit/soft-gpu/isa/oracle/legal_variant.h"

namespace farlane::soft::isa {

using ptx::Opcode;
using ptx::OperandRole;

namespace {

constexpr int kTables = 256;

bool HasImmediate(const Variant& variant) {
  return std::find(variant.operands.begin(), variant.operands.end(), OperandRole::kImmediate) !=
         variant.operands.end();
}

void AddWithImmediates(Subject subject, std::vector<Subject>* subjects) {
  if (!HasImmediate(subject.variant)) {
    subjects->push_back(std::move(subject));
    return;
  }
  // The forms with a predicate differ in nothing that depends on the table.
  const int step = subject.row->results.size() == 1 ? 1 : 37;
  for (int table = 0; table < kTables; table += step) {
    subject.variant.immediate = table;
    subjects->push_back(subject);
  }
}

}  // namespace

Subjects SubjectsOf(Opcode opcode) {
  Subjects subjects;
  std::set<std::string> seen;
  for (const ptx::Form& form : ptx::FormsOf(opcode)) {
    if (form.stage > ptx::Stage::kS2) {
      continue;
    }
    for (const Variant& variant : VariantsOf(form)) {
      if (!seen.insert(variant.title()).second) {
        continue;
      }
      const Row* const row = FindRowOrNull(variant);
      if (row == nullptr) {
        subjects.unknown.push_back(variant);
      } else if (IsLegal(variant, *row)) {
        AddWithImmediates({variant, row}, &subjects.known);
      }
    }
  }
  return subjects;
}

std::vector<Opcode> OpcodesWithSemantics() {
  std::set<Opcode> opcodes;
  for (const std::span<const Row> rows :
       {IntegerSemantics(), BitSemantics(), FloatSemantics(), ApproximateSemantics(),
        CompareSemantics(), ConvertSemantics(), VideoSemantics()}) {
    for (const Row& row : rows) {
      opcodes.insert(row.opcode);
    }
  }
  return {opcodes.begin(), opcodes.end()};
}

}  // namespace farlane::soft::isa
