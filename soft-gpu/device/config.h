// SPDX-License-Identifier: Apache-2.0
// Config is what the environment asks of the software GPU: how many devices, how large, how modern.
// It is read once, by cuInit; nothing else here looks at the environment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/device/device_model.h"
#include "soft-gpu/device/fault_plan.h"
#include "soft-gpu/exec/options.h"

namespace farlane::soft {

constexpr uint32_t kDevicesMax = 16;
constexpr uint32_t kProcessorsMax = 512;
constexpr uint32_t kInstancesMax = 7;  // of one GPU, as the hardware has it

// Thread: caller's.
struct Config {
  uint32_t device_count = 1;  // that there are; of an instance: 1
  // The places of those that the program sees, by their ordinals; empty: all, in their order.
  std::vector<uint32_t> visible;
  uint32_t gpu_count = 1;            // that there are
  uint32_t instances = 0;            // that each GPU is divided into, as MIG does it; 0: none is
  std::optional<uint32_t> instance;  // of all GPUs', the one that this process sees as its device
  uint64_t memory_bytes = 0;         // of each device or instance, a multiple of kFrameBytes
  uint32_t processors = 0;  // that each device says it has; 0: as many as the process may use
  int cc_major = 12;
  int cc_minor = 1;
  std::string shared_path;  // the file of device memory that is shared with others; empty: our own
  std::optional<uint64_t> strict_seed;  // promise no more than drivers do, at random from a seed
  bool leftovers = false;               // fresh memory is as its last owner left it
  bool canary = false;                  // ... or full of one and the same byte
  bool null_mode = false;               // kernels are accepted and do nothing
  std::optional<DeviceModel> model;     // how long work takes; nothing: as long as it takes here
  std::string busy_log_path;            // where the engines' work is recorded; empty: nowhere
  ExecutionOptions execution;

  // Devices that the program sees.
  uint32_t visible_count() const {
    return instance || visible.empty() ? device_count : static_cast<uint32_t>(visible.size());
  }

  // What has memory and engines of its own: all instances of all GPUs, or the devices; and which of
  // those a device of the program's is.
  uint32_t parts_count() const { return instance ? gpu_count * instances : device_count; }

  uint32_t PlaceOf(uint32_t ordinal) const {
    return instance ? *instance : visible.empty() ? ordinal : visible[ordinal];
  }
};

// The FARLANE_SOFT_* variables, and those by which programs say where compiled kernels are kept.
Result<Config> ReadConfig();
// Where GPUs are divided, a process sees one instance of one; see InstanceNamed for what
// CUDA_VISIBLE_DEVICES says about it, which is looked at for nothing else here. kNotFound if it
// names none.
Status ChooseInstance(Config* config);
// FARLANE_SOFT_FAULTS; it may concern the call that reads the rest.
Result<FaultPlan> ReadFaultPlan();

}  // namespace farlane::soft
