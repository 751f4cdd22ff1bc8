// SPDX-License-Identifier: Apache-2.0
// What atom and red leave in memory, one operation at a time.
#pragma once

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {

// What is in memory after the operation on `old` with the operands b and, for cas, c.
Expected AtomicResult(const Variant& variant, uint64_t old, uint64_t b, uint64_t c);

// The atom and red variants that are tested: every operation and type, and with each of them every
// space, every order and every scope once. The full product would say nothing more.
std::vector<Variant> AtomicVariants();

}  // namespace farlane::soft::isa
