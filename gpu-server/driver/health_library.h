// SPDX-License-Identifier: Apache-2.0
// HealthLibrary is the NVML that belongs to the driver which the workers use: it says how the
// devices are. It is found beside the driver, by its path, and loaded in a process that does
// nothing else.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/nvml/nvml_abi.h"
#include "protocol/nvml/report.h"

namespace farlane::server {

struct NvmlTable;

// Thread: one at a time.
class HealthLibrary {
 public:
  // Where it lies if the driver lies there.
  static std::string PathBeside(const std::string& driver_path);

  // Loads it and calls its nvmlInit. Refuses the client's library, which would ask a server.
  static Result<std::unique_ptr<HealthLibrary>> Load(const std::string& path);

  HealthLibrary(const HealthLibrary&) = delete;
  HealthLibrary& operator=(const HealthLibrary&) = delete;
  ~HealthLibrary();

  // The devices that there are now, each with its UUID and its gauges and nothing else. A MIG
  // instance is as its GPU is.
  nvml::Report Look();

  // By their UUIDs: the GPUs that are not divided, and the MIG instances of those that are. What
  // CUDA_VISIBLE_DEVICES may name; of instances a process sees one.
  struct Visible {
    std::vector<std::string> whole;
    std::vector<std::string> instances;
  };

  Visible FindVisible() const;

  // Waits, and notes errors of the hardware that happen meanwhile.
  void Wait(uint32_t milliseconds);

 private:
  struct Errors {
    nvmlDevice_t device = nullptr;
    std::optional<uint64_t> last;
    uint64_t count = 0;
  };

  explicit HealthLibrary(std::unique_ptr<const NvmlTable> table);

  void WatchErrors();
  nvml::Gpu LookAt(nvmlDevice_t device) const;
  bool IsDivided(nvmlDevice_t device) const;
  std::vector<std::string> InstancesOf(nvmlDevice_t device) const;

  const std::unique_ptr<const NvmlTable> table_;
  nvmlEventSet_t events_ = nullptr;  // null: errors cannot be waited for
  std::vector<Errors> errors_;
};

}  // namespace farlane::server
