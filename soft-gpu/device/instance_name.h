// SPDX-License-Identifier: Apache-2.0
// Which MIG instance a process sees. As with a driver it is one, whatever else
// CUDA_VISIBLE_DEVICES names: the first entry decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "soft-gpu/device/config.h"

namespace farlane::soft {

// The place of an instance among those of all GPUs; nothing if the list names none that there is.
// The first entry may be "MIG-<UUID>", as drivers since R470 name instances,
// "MIG-GPU-<UUID>/<GPU instance>/<compute instance>", as earlier ones did, or a GPU by its number
// or so much of its UUID that it is that one only: then it is that GPU's first instance. Without a
// list it is the first of all.
std::optional<uint32_t> InstanceNamed(const std::optional<std::string>& visible,
                                      const Config& config);

}  // namespace farlane::soft
