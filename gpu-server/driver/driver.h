// SPDX-License-Identifier: Apache-2.0
// Driver is one libcuda that has been found, loaded and initialised in this process: NVIDIA's, the
// software GPU's or anybody's. Nothing outside this folder may ask which one it is.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "protocol/base/result.h"

namespace farlane::server {

// What a library must not be to serve as a driver.
enum class DriverDemand : uint8_t {
  kAny,      // a path that somebody named
  kForeign,  // found by itself: neither ours nor a toolkit's stub
  kSoft,     // our software GPU
};

struct DriverCandidate {
  std::string path;  // absolute, so that no search path can put another library in its place
  DriverDemand demand = DriverDemand::kAny;
};

// What `--driver` means: "auto", "nvidia", "soft" or a path. `executable_folder` is where the
// daemon's program lies; the software GPU is found relative to it.
Result<std::vector<DriverCandidate>> DriverCandidates(const std::string& option,
                                                      const std::string& executable_folder);

// Thread: any, once loaded.
class Driver {
 public:
  // Loads the library and calls its cuInit. There is no way back: a driver leaves threads and
  // mappings behind.
  static Result<std::unique_ptr<Driver>> Load(const DriverCandidate& candidate);
  // The first candidate that works; else why each of them does not.
  static Result<std::unique_ptr<Driver>> LoadFirst(const std::vector<DriverCandidate>& candidates);

  Driver(const DriverTable& table, std::string path) : table_(table), path_(std::move(path)) {}

  const DriverTable& table() const { return table_; }

  const std::string& path() const { return path_; }

 private:
  DriverTable table_;
  std::string path_;
};

// "CUDA_ERROR_OUT_OF_MEMORY (2)".
std::string DescribeResult(CUresult result);

}  // namespace farlane::server
