// SPDX-License-Identifier: Apache-2.0
// Survey finds the MIG instances that a server's GPUs are divided into, before there are workers.
// A process of CUDA sees one instance and no more, so workers are made that see one each, by
// CUDA_VISIBLE_DEVICES; and workers that see all GPUs that are not divided.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gpu-server/driver/driver.h"

namespace farlane::server {

struct Survey {
  std::string driver;              // whose NVML has found instances; empty: there are none
  std::vector<std::string> views;  // what the workers of each kind see: the GPUs that are whole, if
                                   // there are any, and then each instance; {""}: no instances, all
  size_t whole_count = 1;          // GPUs that are whole, as far as it is known
};

// Asks the first NVML that lies beside a driver and works, in a process of its own, since nothing
// of a driver may be loaded where workers are forked. Without one there are no instances.
Survey LookForInstances(const std::vector<DriverCandidate>& drivers);

// The instances apart from the devices that are whole: lines of text, first those and then these.
std::string PackVisible(const std::vector<std::string>& whole,
                        const std::vector<std::string>& instances);
// False for bytes that are no such lines: every name is checked.
bool UnpackViews(const std::string& bytes, std::vector<std::string>* views);

}  // namespace farlane::server
