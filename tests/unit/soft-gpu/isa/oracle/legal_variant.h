// SPDX-License-Identifier: Apache-2.0
// IsLegal says whether the ISA has a combination of types and modifiers. The optable is wider in
// places, because what it lets through is only made by a compiler that knows better.
#pragma once

#include "tests/unit/soft-gpu/isa/oracle/semantics.h"

namespace farlane::soft::isa {

bool IsLegal(const Variant& variant, const Row& row);

}  // namespace farlane::soft::isa
