// SPDX-License-Identifier: Apache-2.0
// Which of its devices a driver shows to a program, and by which numbers, as CUDA_DEVICE_ORDER and
// CUDA_VISIBLE_DEVICES want it. Pure functions of the devices' names.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

struct DeviceName {
  CUuuid uuid{};
  std::string bus_id;  // "0000:65:00.0"
};

// "GPU-" and the UUID in the usual groups.
std::string UuidText(const CUuuid& uuid);

// The places of all devices in the order of their buses.
std::vector<size_t> OrderByBus(std::span<const DeviceName> all);

// The places of those that the list names, in its order: by number, or by so much of "GPU-…" that
// it is one device's only. As with a driver, the list ends at the first entry that names no device,
// and one that names a device twice shows none.
std::vector<size_t> VisibleDevices(std::span<const DeviceName> all, const std::string& list);

}  // namespace farlane::abi
