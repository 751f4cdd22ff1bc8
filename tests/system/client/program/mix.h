// SPDX-License-Identifier: Apache-2.0
// A kernel that makes of each number of an array another one, and the same by the processor.
#pragma once

#include <cstdint>

#include "gpu-server/driver/driver_table.h"

namespace farlane::cases {

// mix(cells, key): a thread for each cell. Into the current context.
CUresult LoadMix(CUfunction* kernel);

// What it makes of cell number `cell`.
constexpr uint32_t Mixed(uint32_t number, uint32_t key, uint32_t cell) {
  return (number * 1664525u ^ key) + cell;
}

}  // namespace farlane::cases
