// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/ast.h"

#include <algorithm>

namespace farlane::soft::ptx {

uint64_t Variable::ElementCount() const {
  if (is_unsized) {
    return 0;
  }
  uint64_t count = 1;
  for (const uint64_t dimension : dimensions) {
    count *= dimension;
  }
  return count;
}

uint64_t Variable::SizeOf() const {
  return ElementCount() * vector * std::max(BytesOf(type), 1u);
}

uint32_t Variable::AlignOf() const {
  return align != 0 ? align : vector * std::max(BytesOf(type), 1u);
}

std::optional<Symbol> Module::Find(std::string_view name) const {
  const auto found = symbols.find(name);
  return found != symbols.end() ? std::optional(found->second) : std::nullopt;
}

const Function* Module::FindFunctionOrNull(std::string_view name) const {
  const std::optional<Symbol> symbol = Find(name);
  return symbol && symbol->kind == SymbolKind::kFunction ? &functions[symbol->index] : nullptr;
}

const Variable* Module::FindVariableOrNull(std::string_view name) const {
  const std::optional<Symbol> symbol = Find(name);
  return symbol && symbol->kind == SymbolKind::kVariable ? &variables[symbol->index] : nullptr;
}

uint32_t Module::DefinitionOf(uint32_t function) const {
  // An alias of an alias is one too; a ring of them ends where it began.
  for (size_t steps = 0; steps < functions.size() && !functions[function].has_body &&
                         functions[function].alias_of != kNoIndex;
       ++steps) {
    function = functions[function].alias_of;
  }
  return function;
}

Position Module::PositionAt(uint32_t offset) const {
  const std::string_view before = std::string_view(*text).substr(0, offset);
  const size_t newline = before.rfind('\n');
  const size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
  const auto lines = std::count(before.begin(), before.end(), '\n');
  return {static_cast<uint32_t>(lines + 1), static_cast<uint32_t>(before.size() - line_begin + 1)};
}

uint32_t Module::OffsetOf(std::string_view inside) const {
  return static_cast<uint32_t>(inside.data() - text->data());
}

std::string_view Body::NameOf(Modifier modifier) const {
  if (!IsExtra(modifier)) {
    return ptx::NameOf(modifier);
  }
  const size_t index = static_cast<size_t>(modifier) - static_cast<size_t>(Modifier::kFirstExtra);
  return index < extra_modifiers.size() ? extra_modifiers[index] : std::string_view("?");
}

std::string Body::NameOfRegister(RegisterId id) const {
  if (id >= registers.size()) {
    return "?";
  }
  const RegisterInfo& info = registers[id];
  std::string name(info.name);
  return info.index == kNoIndex ? name : name + std::to_string(info.index);
}

}  // namespace farlane::soft::ptx
