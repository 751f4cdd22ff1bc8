// SPDX-License-Identifier: Apache-2.0
// ModuleIndex lists what a module offers by name: kernels with the layout of their parameters, and
// variables. It is read out of the image without a GPU.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/abi/image.h"
#include "protocol/base/result.h"

namespace farlane::abi {

struct KernelParameter {
  uint32_t offset;
  uint32_t bytes;

  bool operator==(const KernelParameter&) const = default;
};

struct KernelLayout {
  std::string name;
  std::vector<KernelParameter> parameters;  // in order, not overlapping
  uint32_t parameter_bytes = 0;             // of the whole block, tail padding not counted
};

enum class VariableSpace : uint8_t { kGlobal, kConstant };

struct ModuleVariable {
  std::string name;
  uint64_t bytes;
  VariableSpace space;
  bool managed;  // the host may use it by its address
};

// Thread: caller's.
struct ModuleIndex {
  uint32_t architecture = 0;  // 90: compute capability 9.0
  std::vector<KernelLayout> kernels;
  std::vector<ModuleVariable> variables;
};

// Indexes what a driver would take of the image on a GPU of this capability: the latest usable
// cubin (only if `machine_code`), else the latest usable PTX. Neither: kNotFound.
Result<ModuleIndex> IndexImage(const ImageView& image, int capability, bool machine_code);

}  // namespace farlane::abi
