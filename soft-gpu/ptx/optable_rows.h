// SPDX-License-Identifier: Apache-2.0
// The rows of the optable as text; optable.cc takes them apart once.
#pragma once

#include <span>
#include <string_view>

#include "soft-gpu/ptx/opcode.h"
#include "soft-gpu/ptx/optable.h"

namespace farlane::soft::ptx {

// `syntax` is "modifier groups : operands". With " : " between them. A group is words with '|'
// between them; '?' before it: may be missing; $name: a set of words from SetRows; '*': whatever
// follows is not checked.
struct FormRow {
  Opcode opcode;
  Stage stage;
  std::string_view syntax;
};

struct SetRow {
  std::string_view name;  // with its '$'
  std::string_view words;
};

std::span<const FormRow> FormRows();
std::span<const SetRow> SetRows();

}  // namespace farlane::soft::ptx
