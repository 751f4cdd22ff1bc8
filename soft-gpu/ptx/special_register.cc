// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/special_register.h"

#include <array>
#include <string>
#include <unordered_map>

namespace farlane::soft::ptx {

namespace {

struct Row {
  std::string name;
  SpecialRegisterInfo info;
};

using Rows = std::array<Row, static_cast<size_t>(SpecialRegister::kCount)>;

void FillFamily(Rows& rows, SpecialRegister first, size_t count, const char* suffix, Type type) {
  const std::string stem = first == SpecialRegister::kEnvreg0 ? "%envreg"
                           : first == SpecialRegister::kReservedSmemOffset0
                               ? "%reserved_smem_offset_"
                               : "%pm";
  for (size_t i = 0; i < count; ++i) {
    rows[static_cast<size_t>(first) + i] = {stem + std::to_string(i) + suffix, {type, false}};
  }
}

Rows MakeRows() {
  Rows rows;
  size_t next = 0;
#define FARLANE_PTX_ROW(name, text, type, vector) rows[next++] = {text, {Type::type, vector}};
  FARLANE_PTX_SPECIAL_REGISTERS(FARLANE_PTX_ROW)
#undef FARLANE_PTX_ROW
  FillFamily(rows, SpecialRegister::kEnvreg0, 32, "", Type::kB32);
  FillFamily(rows, SpecialRegister::kPm0, 8, "", Type::kU32);
  FillFamily(rows, SpecialRegister::kPm0Of64, 8, "_64", Type::kU64);
  FillFamily(rows, SpecialRegister::kReservedSmemOffset0, 2, "", Type::kB32);
  return rows;
}

const Rows& AllRows() {
  static const Rows rows = MakeRows();
  return rows;
}

using Index = std::unordered_map<std::string_view, SpecialRegister>;

Index MakeIndex() {
  Index index;
  for (size_t i = 0; i < AllRows().size(); ++i) {
    index.emplace(AllRows()[i].name, static_cast<SpecialRegister>(i));
  }
  return index;
}

}  // namespace

std::optional<SpecialRegister> FindSpecialRegister(std::string_view name) {
  static const Index index = MakeIndex();
  const auto found = index.find(name);
  return found != index.end() ? std::optional(found->second) : std::nullopt;
}

SpecialRegisterInfo InfoOf(SpecialRegister special) {
  const auto number = static_cast<size_t>(special);
  return number < AllRows().size() ? AllRows()[number].info : SpecialRegisterInfo{};
}

std::string_view NameOf(SpecialRegister special) {
  const auto number = static_cast<size_t>(special);
  return number < AllRows().size() ? std::string_view(AllRows()[number].name) : "?";
}

}  // namespace farlane::soft::ptx
