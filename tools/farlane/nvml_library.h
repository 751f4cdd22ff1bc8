// SPDX-License-Identifier: Apache-2.0
// NvmlLibrary is the client's libnvidia-ml, as any monitoring program uses it: what `farlane smi`
// shows has come through the library that other people's tools get.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/result.h"

namespace farlane::cli {

struct GpuProcess {
  uint32_t pid = 0;
  uint64_t used_bytes = 0;
  std::string name;  // empty: it is not known here
};

// What is not known is not there.
struct GpuStatus {
  std::string name;
  std::string uuid;
  std::string pci_bus_id;
  int32_t compute_major = 0;
  int32_t compute_minor = 0;
  uint64_t total_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t free_bytes = 0;
  uint32_t busy_percent = 0;
  uint32_t copy_percent = 0;
  std::optional<uint64_t> temperature_c;
  std::optional<uint64_t> fan_percent;
  std::optional<uint64_t> power_mw;
  std::optional<uint64_t> power_limit_mw;
  std::optional<uint64_t> performance_state;
  std::optional<uint64_t> sm_clock_mhz;
  std::optional<uint64_t> memory_clock_mhz;
  std::optional<uint64_t> ecc_uncorrected;
  std::vector<GpuProcess> processes;
};

struct SystemStatus {
  std::string driver_version;  // empty: not known
  int32_t cuda_version = 0;
  std::vector<GpuStatus> gpus;
};

// Loads the library, which asks the server that the environment names.
Result<SystemStatus> AskNvml(const std::string& library);

}  // namespace farlane::cli
