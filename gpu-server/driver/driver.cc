// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/driver/driver.h"

#include <dlfcn.h>
#include <unistd.h>

namespace farlane::server {
namespace {

// Exported by our own two libraries and by nobody else's.
constexpr char kShimMarker[] = "farlane_client_shim";
constexpr char kSoftMarker[] = "farlane_software_gpu";

// Where distributions, containers and WSL put NVIDIA's driver.
constexpr const char* kNvidiaPaths[] = {
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/libcuda.so.1",
    "/usr/lib64/libcuda.so.1",
    "/usr/lib/libcuda.so.1",
    "/usr/lib/wsl/lib/libcuda.so.1",
    "/usr/lib64/nvidia/libcuda.so.1",
    "/usr/local/nvidia/lib64/libcuda.so.1",
    "/run/opengl-driver/lib/libcuda.so.1",
};

void* Lookup(void* library, const char* symbol) {
  return dlsym(library, symbol);
}

Status CheckKind(void* library, const DriverCandidate& candidate) {
  // Serving the shim would send every call back over the network, to us in the worst case.
  if (dlsym(library, kShimMarker) != nullptr) {
    return Status(StatusCode::kRefused,
                  candidate.path + " is Farlane's client library, not a driver");
  }
  const bool soft = dlsym(library, kSoftMarker) != nullptr;
  if (candidate.demand == DriverDemand::kForeign && soft) {
    return Status(StatusCode::kRefused, candidate.path + " is Farlane's software GPU");
  }
  if (candidate.demand == DriverDemand::kSoft && !soft) {
    return Status(StatusCode::kRefused, candidate.path + " is not Farlane's software GPU");
  }
  return Status::Ok();
}

}  // namespace

std::string DescribeResult(CUresult result) {
  const char* name = "unknown result";
  switch (result) {
#define FARLANE_RESULT(value, text) \
  case value:                       \
    name = #value;                  \
    break;
#include "protocol/abi/error_names.inc"
#undef FARLANE_RESULT
    default:
      break;
  }
  return std::string(name) + " (" + std::to_string(static_cast<int>(result)) + ")";
}

Result<std::vector<DriverCandidate>> DriverCandidates(const std::string& option,
                                                      const std::string& executable_folder) {
  const bool any = option == "auto";
  std::vector<DriverCandidate> found;
  if (any || option == "nvidia") {
    for (const char* path : kNvidiaPaths) {
      found.push_back({.path = path, .demand = DriverDemand::kForeign});
    }
  }
  if (any || option == "soft") {
    found.push_back({.path = executable_folder + "/../lib/farlane/soft/libcuda.so.1",
                     .demand = DriverDemand::kSoft});
  }
  if (!found.empty()) {
    return found;
  }
  if (option.empty() || option[0] != '/') {
    return Status(
        StatusCode::kInvalidArgument,
        "\"" + option + "\" is no driver: auto, nvidia, soft or the absolute path of a libcuda");
  }
  found.push_back({.path = option, .demand = DriverDemand::kAny});
  return found;
}

Result<std::unique_ptr<Driver>> Driver::Load(const DriverCandidate& candidate) {
  void* const library = dlopen(candidate.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status(StatusCode::kNotFound, dlerror());
  }
  FARLANE_TRY(CheckKind(library, candidate));
  DriverTable table{};
  const size_t absent = LoadDriverTable(Lookup, library, table);
  if (absent == kDriverCalls) {
    return Status(StatusCode::kCorrupt, candidate.path + " exports no call of the driver API");
  }
  const CUresult result = table.cuInit(0);
  if (result == CUDA_ERROR_STUB_LIBRARY) {
    return Status(StatusCode::kRefused,
                  candidate.path + " is a toolkit's stub, made for linking only");
  }
  if (result != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable,
                  candidate.path + " does not start: " + DescribeResult(result));
  }
  return std::make_unique<Driver>(table, candidate.path);
}

Result<std::unique_ptr<Driver>> Driver::LoadFirst(const std::vector<DriverCandidate>& candidates) {
  std::string reasons;
  std::string absent;
  for (const DriverCandidate& candidate : candidates) {
    if (access(candidate.path.c_str(), F_OK) != 0) {
      absent += (absent.empty() ? "nothing at " : ", ") + candidate.path;
      continue;
    }
    Result<std::unique_ptr<Driver>> loaded = Load(candidate);
    if (loaded.has_value()) {
      return loaded;
    }
    reasons += loaded.error().message() + "; ";
  }
  return Status(StatusCode::kNotFound, "no driver is usable: " + reasons + absent);
}

}  // namespace farlane::server
