// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/config.h"

#include <algorithm>
#include <charconv>
#include <string>

#include <unistd.h>

#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"
#include "soft-gpu/device/device.h"
#include "soft-gpu/device/execution_config.h"
#include "soft-gpu/device/frames.h"
#include "soft-gpu/device/instance_name.h"

namespace farlane::soft {
namespace {

constexpr uint64_t kMemoryBytesDefaultMax = 4_GiB;  // a test machine keeps room for the programs

uint64_t DefaultMemoryBytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (pages <= 0 || page_bytes <= 0) {
    return kMemoryBytesDefaultMax;
  }
  const uint64_t half = static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes) / 2;
  return std::max(std::min(half, kMemoryBytesDefaultMax), kFrameBytes);
}

Status Refuse(const char* name, const std::string& text, const char* wanted) {
  return {StatusCode::kInvalidArgument, std::string(name) + "=" + text + " is not " + wanted};
}

// Reads all of `text` as a number without sign.
bool ParseNumber(std::string_view text, uint32_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

Status ReadDevices(Config* config) {
  const auto text = Environment("FARLANE_SOFT_DEVICES");
  if (!text) {
    return Status::Ok();
  }
  uint32_t count = 0;
  if (!ParseNumber(*text, &count) || count < 1 || count > kDevicesMax) {
    return Refuse("FARLANE_SOFT_DEVICES", *text, "a number from 1 to 16");
  }
  config->device_count = count;
  config->gpu_count = count;
  return Status::Ok();
}

// After all that is divided.
Status ReadInstances(Config* config) {
  const auto text = Environment("FARLANE_SOFT_MIG");
  if (!text || *text == "0") {
    return Status::Ok();
  }
  uint32_t count = 0;
  if (!ParseNumber(*text, &count) || count < 2 || count > kInstancesMax) {
    return Refuse("FARLANE_SOFT_MIG", *text, "a number of instances from 2 to 7");
  }
  if (count * config->gpu_count > kDevicesMax) {
    return Refuse("FARLANE_SOFT_MIG", *text,
                  "possible: all devices together may have 16 instances");
  }
  config->instances = count;
  config->memory_bytes = RoundDown(config->memory_bytes / count, kFrameBytes);
  if (config->memory_bytes == 0) {
    return Refuse("FARLANE_SOFT_MIG", *text, "possible: an instance has 2Mi of memory or more");
  }
  return Status::Ok();
}

Status ReadProcessors(Config* config) {
  const auto text = Environment("FARLANE_SOFT_PROCESSORS");
  if (!text) {
    return Status::Ok();
  }
  uint32_t count = 0;
  if (!ParseNumber(*text, &count) || count < 1 || count > kProcessorsMax) {
    return Refuse("FARLANE_SOFT_PROCESSORS", *text, "a number from 1 to 512");
  }
  config->processors = count;
  return Status::Ok();
}

Status ReadMemory(Config* config) {
  config->memory_bytes = RoundDown(DefaultMemoryBytes(), kFrameBytes);
  const auto text = Environment("FARLANE_SOFT_MEMORY");
  if (!text) {
    return Status::Ok();
  }
  const Result<uint64_t> bytes = ParseBytes(*text);
  if (!bytes.ok() || *bytes < kFrameBytes || *bytes > kFramesBytesMax) {
    return Refuse("FARLANE_SOFT_MEMORY", *text, "a size from 2Mi to 1Ti, such as 8Gi");
  }
  config->memory_bytes = RoundDown(*bytes, kFrameBytes);
  return Status::Ok();
}

Status ReadComputeCapability(Config* config) {
  const auto text = Environment("FARLANE_SOFT_CC");
  if (!text) {
    return Status::Ok();
  }
  const size_t dot = text->find('.');
  uint32_t major = 0;
  uint32_t minor = 0;
  const bool parsed = dot != std::string::npos &&
                      ParseNumber(std::string_view(*text).substr(0, dot), &major) &&
                      ParseNumber(std::string_view(*text).substr(dot + 1), &minor);
  if (!parsed || major < 5 || major > 99 || minor > 9) {
    return Refuse("FARLANE_SOFT_CC", *text, "a compute capability such as 8.0 or 12.1");
  }
  config->cc_major = static_cast<int>(major);
  config->cc_minor = static_cast<int>(minor);
  return Status::Ok();
}

Status ReadStrict(Config* config) {
  const auto text = Environment("FARLANE_SOFT_STRICT");
  if (!text || *text == "0") {
    return Status::Ok();
  }
  uint32_t seed = 0;
  if (!ParseNumber(*text, &seed)) {
    return Refuse("FARLANE_SOFT_STRICT", *text, "a seed, a number such as 1");
  }
  config->strict_seed = seed;
  return Status::Ok();
}

Status ReadCanary(Config* config) {
  const std::string text = Environment("FARLANE_SOFT_CANARY").value_or("0");
  if (text != "0" && text != "1" && text != "leftovers") {
    return Refuse("FARLANE_SOFT_CANARY", text, "0, 1 or leftovers");
  }
  config->canary = text == "1";
  config->leftovers = text == "leftovers";
  return Status::Ok();
}

Status ReadModel(Config* config) {
  config->busy_log_path = Environment("FARLANE_SOFT_BUSY_LOG").value_or("");
  const auto text = Environment("FARLANE_SOFT_MODEL");
  if (!text || *text == "0") {
    return config->busy_log_path.empty()
               ? Status::Ok()
               : Refuse("FARLANE_SOFT_BUSY_LOG", config->busy_log_path,
                        "of use without FARLANE_SOFT_MODEL: there are no engines");
  }
  Result<DeviceModel> model = DeviceModel::Parse(*text);
  if (!model.ok()) {
    return Status(model.error()).While("reading FARLANE_SOFT_MODEL=" + *text);
  }
  config->model = *model;
  return Status::Ok();
}

}  // namespace

Result<FaultPlan> ReadFaultPlan() {
  return FaultPlan::Parse(Environment("FARLANE_SOFT_FAULTS").value_or(""));
}

Result<Config> ReadConfig() {
  Config config;
  FARLANE_TRY(ReadDevices(&config));
  FARLANE_TRY(ReadProcessors(&config));
  FARLANE_TRY(ReadMemory(&config));
  FARLANE_TRY(ReadComputeCapability(&config));
  FARLANE_TRY(ReadStrict(&config));
  config.shared_path = Environment("FARLANE_SOFT_SHARED").value_or("");
  FARLANE_TRY(ReadCanary(&config));
  const auto null_mode = Environment("FARLANE_SOFT_NULL");
  config.null_mode = null_mode && *null_mode != "0";
  FARLANE_TRY(ReadModel(&config));
  FARLANE_ASSIGN(config.execution, ReadExecutionOptions());
  FARLANE_TRY(ReadInstances(&config));
  return config;
}

Status ChooseInstance(Config* config) {
  if (config->instances == 0) {
    return Status::Ok();
  }
  const char* const list = RawEnvironment("CUDA_VISIBLE_DEVICES");
  const auto visible = list == nullptr ? std::nullopt : std::optional<std::string>(list);
  const std::optional<uint32_t> named = InstanceNamed(visible, *config);
  if (!named.has_value()) {
    return {StatusCode::kNotFound, "CUDA_VISIBLE_DEVICES=" + visible.value_or("") +
                                       " names no MIG instance that there is"};
  }
  config->instance = named;
  config->device_count = 1;
  // Its processors are its own, so it has its part of the threads that do their work.
  const uint32_t threads = config->execution.threads;
  config->execution.threads =
      std::max(1u, (threads != 0 ? threads : AllowedProcessors()) / config->instances);
  return Status::Ok();
}

}  // namespace farlane::soft
