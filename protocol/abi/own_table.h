// SPDX-License-Identifier: Apache-2.0
// What our client library tells about itself to whoever asks cuGetExportTable for this id. No other
// libcuda knows it. The size comes first, and members are only ever added.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

struct OwnTable {
  size_t bytes;
  uint64_t (*round_trips)();  // answers that the program has waited for, so far
};

// "farlane counters".
inline constexpr CUuuid kOwnTableId = {
    {'f', 'a', 'r', 'l', 'a', 'n', 'e', ' ', 'c', 'o', 'u', 'n', 't', 'e', 'r', 's'}};

}  // namespace farlane::abi
