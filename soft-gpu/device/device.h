// SPDX-License-Identifier: Apache-2.0
// Device is one software GPU as programs see it: its name and numbers. It holds no state; memory
// and contexts of a device are the driver's.
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
  // "0000:65:00.0"
  std::string PciBusId() const;

  int ordinal() const { return ordinal_; }

  int processors() const;

  uint64_t memory_bytes() const { return config_.memory_bytes; }

  int cc_major() const { return config_.cc_major; }

  int cc_minor() const { return config_.cc_minor; }

 private:
  Config config_;
  int ordinal_;
  int place_;  // among all that there are, of which the program may see some only
};

}  // namespace farlane::soft
