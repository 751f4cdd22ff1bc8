// SPDX-License-Identifier: Apache-2.0
// ProcessorSet is some of a device's processors, as CUDA's resources describe them: how they can be
// divided, and what a program holds of it. A program could change what it holds, so it is proved
// when it comes back.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/device.h"

namespace farlane::soft {

// Thread: caller's.
class ProcessorSet {
 public:
  ProcessorSet() = default;
  // All of a device.
  explicit ProcessorSet(const Device& device);

  // From what a program holds; the devices are those that there are.
  static CUresult Read(const CUdevResource& resource,
                       const std::vector<Device>& devices,
                       ProcessorSet* set);
  // For a program to hold. Without processors it is of no type.
  void Write(const Device& device, CUdevResource* resource) const;

  uint32_t count() const;

  int device() const { return device_; }

  // The split that it came out of; 0: none.
  uint64_t split() const { return split_; }

  // Of a context that is made of it: can be divided again.
  void Settle() { split_ = 0; }

  void Add(const ProcessorSet& other);

 private:
  friend struct ProcessorSplit;

  std::array<uint64_t, kProcessorsMax / 64> bits_{};
  uint64_t split_ = 0;
  int32_t device_ = 0;
};

// A set divided into groups of one size.
struct ProcessorSplit {
  // `groups_max` 0: only says how many there could be. A device's processors are divided by fours,
  // eights and so on, as its compute capability says, unless the program does without what that is
  // for.
  static CUresult Make(const ProcessorSet& input,
                       const Device& device,
                       uint32_t groups_max,
                       unsigned int flags,
                       uint32_t minimum,
                       ProcessorSplit* split);

  uint32_t possible = 0;
  std::vector<ProcessorSet> groups;
  ProcessorSet rest;
};

}  // namespace farlane::soft
