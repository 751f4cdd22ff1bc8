// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/globals.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "protocol/base/bytes.h"
#include "soft-gpu/jit/block_frame.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kAlignBytes = 256;  // of the whole; enough for every variable

bool IsOpaque(const ptx::Variable& variable) {
  return ptx::InfoOf(variable.type).type_class == ptx::TypeClass::kOpaque;
}

bool IsReference(const ptx::Variable& variable) {
  return variable.space == ptx::Space::kGlobal &&
         (variable.type == ptx::Type::kTexref || variable.type == ptx::Type::kSurfref) &&
         variable.initializer.empty() && variable.dimensions.empty() &&
         variable.linkage != ptx::Linkage::kExtern;
}

// Why a variable of device memory has no place there; null if it has one.
const char* WhyNotPlacedOrNull(const ptx::Variable& variable) {
  if (IsOpaque(variable)) {
    return "is a sampler, or several textures or surfaces, or one with initial values, which this "
           "device does not have";
  }
  return variable.linkage == ptx::Linkage::kExtern ? "is declared in the module but not defined"
                                                   : nullptr;
}

bool IsMemory(const ptx::Variable& variable) {
  return variable.space == ptx::Space::kGlobal || variable.space == ptx::Space::kConst;
}

bool IsPlaced(const ptx::Variable& variable) {
  return IsMemory(variable) && WhyNotPlacedOrNull(variable) == nullptr;
}

}  // namespace

Globals::~Globals() {
  if (memory_ != 0) {
    places_.Free(memory_);
  }
}

Status Globals::Place(const ptx::Module& module, uint64_t functions_base) {
  functions_base_ = functions_base;
  addresses_.assign(module.variables.size(), 0);
  std::vector<uint64_t> offsets(module.variables.size(), 0);
  uint64_t bytes = 0;
  uint64_t align = kAlignBytes;
  for (size_t i = 0; i < module.variables.size(); ++i) {
    const ptx::Variable& variable = module.variables[i];
    if (IsReference(variable)) {
      references_.push_back({std::string(variable.name), static_cast<uint32_t>(i),
                             variable.type == ptx::Type::kSurfref});
    } else if (IsPlaced(variable)) {
      const uint64_t own = std::max<uint64_t>(variable.AlignOf(), 1);
      align = std::max(align, own);
      bytes = RoundUp(bytes, own);
      offsets[i] = bytes;
      bytes += std::max<uint64_t>(variable.SizeOf(), 1);
    } else if (IsMemory(variable)) {
      problems_[static_cast<uint32_t>(i)] = WhyNotPlacedOrNull(variable);
    }
  }
  if (bytes == 0) {
    return Status::Ok();
  }
  FARLANE_ASSIGN(memory_, places_.Allocate(bytes, align));
  for (uint32_t i = 0; i < module.variables.size(); ++i) {
    const ptx::Variable& variable = module.variables[i];
    if (IsPlaced(variable)) {
      addresses_[i] = memory_ + offsets[i];
      infos_.push_back({std::string(variable.name), addresses_[i], variable.SizeOf(),
                        variable.space == ptx::Space::kConst, variable.is_managed});
    }
  }
  for (uint32_t i = 0; i < module.variables.size(); ++i) {
    if (addresses_[i] != 0 && !module.variables[i].initializer.empty()) {
      FARLANE_TRY(Initialise(module, i));
    }
  }
  std::sort(functions_.begin(), functions_.end());
  functions_.erase(std::unique(functions_.begin(), functions_.end()), functions_.end());
  return Status::Ok();
}

std::string_view Globals::ProblemOf(uint32_t variable) const {
  const auto found = problems_.find(variable);
  return found == problems_.end() ? std::string_view() : found->second;
}

const char* Globals::FindAddress(const ptx::Module& module,
                                 const ptx::Relocation& relocation,
                                 uint64_t* address) {
  const uint32_t index = relocation.symbol.index;
  if (relocation.symbol.kind == ptx::SymbolKind::kVariable) {
    *address = addresses_[index];
    return *address != 0 ? nullptr : "holds the address of a variable that has none on this device";
  }
  const ptx::Function& function = module.functions[module.DefinitionOf(index)];
  if (function.is_entry || !function.has_body) {
    return "holds the address of a function that the module does not define, or of a kernel";
  }
  functions_.push_back(index);
  *address = functions_base_ + index * jit::kFunctionStrideBytes;
  return nullptr;
}

Status Globals::Initialise(const ptx::Module& module, uint32_t index) {
  const ptx::Variable& variable = module.variables[index];
  FARLANE_ASSIGN(ptx::InitialValue value, ptx::ParseInitializer(module, variable));
  for (const ptx::Relocation& relocation : value.relocations) {
    uint64_t address = 0;
    if (const char* problem = FindAddress(module, relocation, &address)) {
      problems_[index] = problem;  // the host sees 0 there; the device never does
      continue;
    }
    if (relocation.offset > value.bytes.size() ||
        value.bytes.size() - relocation.offset < relocation.bytes || relocation.bytes > 8) {
      return {StatusCode::kCorrupt,
              "the initial value of " + std::string(variable.name) + " is larger than it"};
    }
    address += static_cast<uint64_t>(relocation.addend);
    if (relocation.has_mask) {
      address = (address & relocation.mask) >> std::countr_zero(relocation.mask | 1ull << 63);
    }
    std::memcpy(value.bytes.data() + relocation.offset, &address, relocation.bytes);
  }
  const size_t bytes = std::min<size_t>(value.bytes.size(), variable.SizeOf());
  std::memcpy(reinterpret_cast<void*>(addresses_[index]), value.bytes.data(), bytes);
  return Status::Ok();
}

}  // namespace farlane::soft
