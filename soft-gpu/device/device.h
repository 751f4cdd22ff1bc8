// SPDX-License-Identifier: Apache-2.0
// Device is one software GPU, or a MIG instance of one, as programs see it: its name and numbers.
// It holds no state; memory and contexts of a device are the driver's.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/shared_memory.h"

namespace farlane::soft {

constexpr char kDeviceName[] = "Farlane Software GPU";
constexpr int kPersistingBytesMax = 1 << 20;  // of the cache that programs may ask to keep
constexpr uint32_t kRegistersPerBlock = 64 << 10;
constexpr uint32_t kThreadsPerProcessor = 1536;
constexpr uint32_t kBlocksPerProcessor = 24;
// Of a cooperative grid: the stack of each takes two of the 65530 mappings that a process may have.
constexpr uint32_t kThreadsTogetherMax = 24576;
constexpr uint32_t kWarpThreads = 32;
constexpr uint64_t kConstantBytes = 64 << 10;

// Thread: immutable.
class Device {
 public:
  Device(const Config& config, int ordinal)
      : config_(config),
        ordinal_(ordinal),
        place_(static_cast<int>(config.PlaceOf(static_cast<uint32_t>(ordinal)))) {}

  // Unknown attributes are INVALID_VALUE.
  CUresult Attribute(CUdevice_attribute attribute, int* value) const;
  // The same for a place in every process, so that a client and its server agree.
  CUuuid Uuid() const;
  // "Farlane Software GPU", of an instance "Farlane Software GPU MIG 3g.2gb".
  std::string Name() const;
  // "0000:65:00.0"
  std::string PciBusId() const;

  int ordinal() const { return ordinal_; }

  int processors() const;

  uint64_t memory_bytes() const { return config_.memory_bytes; }

  int cc_major() const { return config_.cc_major; }

  int cc_minor() const { return config_.cc_minor; }

  // Of an instance: the GPU that it is a part of, which instance of that it is (from 0), and how
  // many of the GPU's seven slices it has.
  int gpu() const { return config_.instance ? place_ / Instances() : place_; }

  int instance() const { return place_ % Instances(); }

  int slices() const { return static_cast<int>(kInstancesMax) / Instances(); }

 private:
  int Instances() const { return config_.instances == 0 ? 1 : static_cast<int>(config_.instances); }

  Config config_;
  int ordinal_;
  int place_;  // among all that there are, of which the program may see some only
};

// That this process may run on.
uint32_t AllowedProcessors();

}  // namespace farlane::soft
