// SPDX-License-Identifier: Apache-2.0
// SubjectsOf lists what is tested of an opcode: every legal variant the optable has, with its
// semantics.
#pragma once

#include <vector>

#include "tests/unit/soft-gpu/isa/oracle/variant_kernel.h"

namespace farlane::soft::isa {

struct Subjects {
  std::vector<Subject> known;
  std::vector<Variant> unknown;  // without semantics
};

// Variants of stages S0 to S2. Of lop3 there is one for each table.
Subjects SubjectsOf(ptx::Opcode opcode);

// The opcodes that any row is for.
std::vector<ptx::Opcode> OpcodesWithSemantics();

}  // namespace farlane::soft::isa
