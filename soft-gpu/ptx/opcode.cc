// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/opcode.h"

#include <algorithm>
#include <array>

namespace farlane::soft::ptx {

namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Opcode::kCount) - 1> kSpellings{{
#define FARLANE_PTX_ROW(name, text) text,
    FARLANE_PTX_OPCODES(FARLANE_PTX_ROW)
#undef FARLANE_PTX_ROW
}};

static_assert(std::is_sorted(kSpellings.begin(), kSpellings.end()));

}  // namespace

Opcode FindOpcode(std::string_view name) {
  const auto found = std::lower_bound(kSpellings.begin(), kSpellings.end(), name);
  if (found == kSpellings.end() || *found != name) {
    return Opcode::kUnknown;
  }
  return static_cast<Opcode>(found - kSpellings.begin() + 1);
}

std::string_view NameOf(Opcode opcode) {
  const auto number = static_cast<size_t>(opcode);
  return number >= 1 && number <= kSpellings.size() ? kSpellings[number - 1] : "?";
}

}  // namespace farlane::soft::ptx
