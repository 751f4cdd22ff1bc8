// SPDX-License-Identifier: Apache-2.0
// TensorMapForm says which of the driver's calls encodes a tensor map (TensorMapEncode.form).
#pragma once

#include <cstdint>

namespace farlane::wire {

enum class TensorMapForm : uint32_t {
  kTiled = 0,
  kIm2col = 1,
  kIm2colWide = 2,
};

}  // namespace farlane::wire
