// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/modifier.h"

#include <array>
#include <unordered_map>

namespace farlane::soft::ptx {

namespace {

constexpr size_t kFirst = static_cast<size_t>(Modifier::kBeforeFirst) + 1;
constexpr size_t kNames = static_cast<size_t>(Modifier::kCount) - kFirst;

constexpr std::array<std::string_view, kNames> kSpellings{{
#define FARLANE_PTX_ROW(name, text) text,
    FARLANE_PTX_MODIFIERS(FARLANE_PTX_ROW)
#undef FARLANE_PTX_ROW
}};

using Index = std::unordered_map<std::string_view, Modifier>;

// The names are ours, so nobody can make them collide.
Index MakeIndex() {
  Index index;
  for (size_t i = 1; i < static_cast<size_t>(Type::kCount); ++i) {
    index.emplace(InfoOf(static_cast<Type>(i)).name, static_cast<Modifier>(i));
  }
  for (size_t i = 0; i < kSpellings.size(); ++i) {
    index.emplace(kSpellings[i], static_cast<Modifier>(kFirst + i));
  }
  return index;
}

}  // namespace

Modifier FindModifier(std::string_view name) {
  static const Index index = MakeIndex();
  const auto found = index.find(name);
  return found != index.end() ? found->second : Modifier::kNone;
}

std::string_view NameOf(Modifier modifier) {
  const auto number = static_cast<size_t>(modifier);
  if (number >= kFirst && number - kFirst < kSpellings.size()) {
    return kSpellings[number - kFirst];
  }
  return InfoOf(TypeOf(modifier)).name;
}

}  // namespace farlane::soft::ptx
