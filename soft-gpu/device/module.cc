// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/module.h"

#include <algorithm>

namespace farlane::soft {
namespace {

std::shared_ptr<Function> FindByName(const std::vector<std::shared_ptr<Function>>& functions,
                                     const std::string& name) {
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [&](const auto& function) { return function->name == name; });
  return found == functions.end() ? nullptr : *found;
}

}  // namespace

std::shared_ptr<Function> Module::Find(const std::string& name, size_t index_hint) const {
  if (index_hint < functions_.size() && functions_[index_hint]->name == name) {
    return functions_[index_hint];
  }
  return FindByName(functions_, name);
}

const VariableFacts* Module::FindVariable(const std::string& name) const {
  for (const VariableFacts& variable : program_->variables()) {
    if (variable.name == name) {
      return &variable;
    }
  }
  return nullptr;
}

std::shared_ptr<Reference> Module::FindReference(const std::string& name, bool is_surface) const {
  for (const std::shared_ptr<Reference>& reference : references_) {
    if (reference->is_surface() == is_surface && reference->name() == name) {
      return reference;
    }
  }
  return nullptr;
}

std::shared_ptr<Function> Library::Find(const std::string& name) const {
  return FindByName(kernels_, name);
}

}  // namespace farlane::soft
