// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/execution_config.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kCacheBytesDefault = 1_GiB;
constexpr uint64_t kCacheBytesMax = 4_GiB;  // what other drivers allow too
constexpr uint32_t kTimeoutSecondsMax = 86'400;
constexpr uint32_t kThreadsMax = 1024;
constexpr uint64_t kSecondNs = 1'000'000'000;

// A whole number from 1 to `max`; 0 if the variable is not set.
Result<uint32_t> ReadCount(const char* name, uint32_t max) {
  const auto text = Environment(name);
  if (!text) {
    return uint32_t{0};
  }
  uint32_t value = 0;
  const char* const last = text->data() + text->size();
  const auto [end, error] = std::from_chars(text->data(), last, value);
  if (error != std::errc() || end != last || value < 1 || value > max) {
    return Status(
        StatusCode::kInvalidArgument,
        std::string(name) + "=" + *text + " is not a number from 1 to " + std::to_string(max));
  }
  return value;
}

// Whether all threads that may wait have processor stacks. Lanes are always run one by one, which
// may also be asked for by its name.
Result<bool> ReadFibersOnly() {
  const auto text = Environment("FARLANE_SOFT_TIER");
  if (!text || *text == "auto" || *text == "scalar") {
    return false;
  }
  if (*text == "fibers") {
    return true;
  }
  return Status(StatusCode::kInvalidArgument,
                "FARLANE_SOFT_TIER=" + *text + " is not one of auto, scalar, fibers");
}

// Where compiled kernels are kept; empty if nowhere.
std::string CacheDirectory() {
  const auto disabled = Environment("CUDA_CACHE_DISABLE");
  if (disabled && *disabled != "0") {
    return "";
  }
  if (const auto path = Environment("CUDA_CACHE_PATH")) {
    return *path + "/farlane-kernels";  // beside what other drivers keep there
  }
  if (const auto path = Environment("XDG_CACHE_HOME")) {
    return *path + "/farlane/kernels";
  }
  const auto home = Environment("HOME");
  return home ? *home + "/.cache/farlane/kernels" : "";
}

// A size that is none counts as not given: the variable is not ours.
uint64_t CacheBytes() {
  const auto text = Environment("CUDA_CACHE_MAXSIZE");
  const Result<uint64_t> bytes = text ? ParseBytes(*text) : kCacheBytesDefault;
  return bytes.ok() ? std::min(*bytes, kCacheBytesMax) : kCacheBytesDefault;
}

}  // namespace

Result<ExecutionOptions> ReadExecutionOptions() {
  ExecutionOptions options;
  const auto check = Environment("FARLANE_SOFT_CHECK");
  options.check = check && *check != "0";
  FARLANE_ASSIGN(options.fibers_only, ReadFibersOnly());
  FARLANE_ASSIGN(const uint32_t seconds, ReadCount("FARLANE_SOFT_TIMEOUT", kTimeoutSecondsMax));
  options.grid_ns_max = seconds * kSecondNs;
  FARLANE_ASSIGN(options.threads, ReadCount("FARLANE_SOFT_THREADS", kThreadsMax));
  options.cache_directory = CacheDirectory();
  options.cache_bytes_max = CacheBytes();
  return options;
}

}  // namespace farlane::soft
