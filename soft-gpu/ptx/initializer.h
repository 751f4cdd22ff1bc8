// SPDX-License-Identifier: Apache-2.0
// Initial values of variables: nested lists of constants and names, made into bytes and
// relocations. ParseInitializer, which most callers want, is declared in parser.h.
#pragma once

#include <cstdint>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/lexer.h"

namespace farlane::soft::ptx {

// The size that its initialiser gives to a variable declared with `[]`.
Result<uint64_t> CountOuterElements(const Lexer& lexer, const Variable& variable);

}  // namespace farlane::soft::ptx
