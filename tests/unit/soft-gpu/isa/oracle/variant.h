// SPDX-License-Identifier: Apache-2.0
// Variant is one way to write one instruction: an opcode with its types and modifiers, and what of
// its operands can be chosen. All of them come from the optable, so a row added there is tested.
#pragma once

#include <string>
#include <vector>

#include "soft-gpu/ptx/optable.h"

namespace farlane::soft::isa {

// Thread: caller's.
struct Variant {
  const ptx::Form* form = nullptr;
  ptx::Opcode opcode = ptx::Opcode::kUnknown;
  std::vector<ptx::Modifier> modifiers;
  std::vector<ptx::Type> types;            // those among the modifiers, in order
  std::vector<ptx::OperandRole> operands;  // optional ones that are left out are not here
  bool is_pair = false;                    // d|p where the form allows it, else only d
  bool negates = false;                    // !p for the predicate that is read
  int immediate = -1;                      // where the form has one

  bool Has(ptx::Modifier modifier) const;

  ptx::Type type() const { return types.empty() ? ptx::Type::kNone : types[0]; }

  // The opcode with its modifiers: add.rn.f32.
  std::string name() const;
  // name() and what else sets it apart, as the list of exceptions writes it:
  // "setp.lt.and.s32 p|q, !r".
  std::string title() const;
};

// Every variant of a form. Immediates are left at -1.
std::vector<Variant> VariantsOf(const ptx::Form& form);

// The element of a packed type and how many there are; the type itself and 1 for others.
struct Packing {
  ptx::Type element = ptx::Type::kNone;
  unsigned count = 1;
};

Packing PackingOf(ptx::Type type);

}  // namespace farlane::soft::isa
