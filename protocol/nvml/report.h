// SPDX-License-Identifier: Apache-2.0
// Report is all that a monitoring program can learn about the devices of a server: what they are,
// how they are, and what the asker's own session has in use. It travels whole, as the answer to a
// hello whose purpose is to ask for it; whoever receives one believes no length in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/nvml/gauges.h"

namespace farlane::nvml {

// More than a driver can have.
inline constexpr size_t kReportGpusMax = 256;
// Of one device.
inline constexpr size_t kInstancesMax = 8;
// Of one device; a server takes fewer clients.
inline constexpr size_t kReportProcessesMax = 4096;
// What a whole report may take; who receives one allocates no more than this before it has looked
// at it.
inline constexpr size_t kReportBytesMax = 4 << 20;
// Texts are cut to this.
inline constexpr size_t kReportTextMax = 96;

// A process of the session, on the asker's machine.
struct Process {
  uint32_t pid = 0;
  uint32_t busy_percent = 0;
  uint32_t copy_percent = 0;
  uint64_t used_bytes = 0;
  std::string program{};

  bool operator==(const Process&) const = default;
};

struct Gpu {
  std::string name{};
  uint8_t uuid[16] = {};
  uint32_t pci_domain = 0;
  uint32_t pci_bus = 0;
  uint32_t pci_device = 0;
  int32_t compute_major = 0;
  int32_t compute_minor = 0;
  uint32_t compute_mode = 0;
  uint32_t processors = 0;
  uint32_t memory_bus_bits = 0;  // 0: not known
  uint64_t peers = 0;            // bit i: the memory of device i is within its reach
  // Of the slice: what the session is told that the device has, what of it nobody gets, what its
  // processes have in use, and what could be had now. What is missing in the sum is in use by
  // others.
  uint64_t total_bytes = 0;
  uint64_t reserved_bytes = 0;
  uint64_t used_bytes = 0;
  uint64_t free_bytes = 0;
  // In the last second, for how much of it work of the session was under way, and copies were.
  uint32_t busy_percent = 0;
  uint32_t copy_percent = 0;
  Gauges gauges{};
  std::vector<Process> processes{};
  // What only the library beside the driver knows, and no report that travels: the MIG instances
  // that the device is divided into; of an instance its number on its GPU, from 1, and how many of
  // the seven slices of a GPU it has.
  std::vector<Gpu> instances{};
  uint32_t instance_id = 0;
  uint32_t slices = 0;

  bool operator==(const Gpu&) const = default;
};

struct Report {
  int32_t cuda_version = 0;      // as cuDriverGetVersion says it
  std::string driver_version{};  // empty: not known
  std::vector<Gpu> gpus{};

  bool operator==(const Report&) const = default;
};

// Drivers name the instances that they have made of a GPU so: "NVIDIA A100-SXM4-40GB MIG 1g.5gb".
bool IsInstance(const Gpu& gpu);

// "GPU-…", or "MIG-…" of an instance, as CUDA's own tools write it.
std::string UuidText(const Gpu& gpu);

// What stands before a report that travels.
struct ReportHead {
  uint32_t version;  // of the form below
  uint32_t bytes;    // that follow
};

inline constexpr uint32_t kReportVersion = 1;

// Texts that are too long are cut, and devices and processes beyond the limits left out.
std::string PackReport(const Report& report);
// False for bytes that are no report; then `report` is what had been read.
bool UnpackReport(std::string_view bytes, Report* report);

}  // namespace farlane::nvml
