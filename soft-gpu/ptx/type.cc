// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/type.h"

#include <array>

namespace farlane::soft::ptx {

namespace {

constexpr std::array<TypeInfo, static_cast<size_t>(Type::kCount)> kTypes{
    {{},
#define FARLANE_PTX_ROW(name, text, bits, klass) {text, bits, TypeClass::klass},
     FARLANE_PTX_TYPES(FARLANE_PTX_ROW)
#undef FARLANE_PTX_ROW
    }};

}  // namespace

const TypeInfo& InfoOf(Type type) {
  const auto index = static_cast<size_t>(type);
  return kTypes[index < kTypes.size() ? index : 0];
}

std::string_view NameOf(Space space) {
  switch (space) {
    case Space::kNone:
      return "";
    case Space::kRegister:
      return "reg";
    case Space::kGlobal:
      return "global";
    case Space::kConst:
      return "const";
    case Space::kShared:
      return "shared";
    case Space::kLocal:
      return "local";
    case Space::kParam:
      return "param";
    case Space::kTexture:
      return "tex";
  }
  return "";
}

}  // namespace farlane::soft::ptx
