// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/processor_set.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

namespace farlane::soft {
namespace {

constexpr uint64_t kMagic = 0x7365'726f'6366'7473;  // so that what is no resource of ours shows
constexpr uint32_t kTogether = 2;  // what still belongs together without co-scheduling

// Lies where a driver keeps what is its own business.
struct Inner {
  uint64_t magic = kMagic;
  uint64_t split = 0;
  std::array<uint64_t, kProcessorsMax / 64> bits{};
  int32_t device = 0;
};

static_assert(sizeof(Inner) <= sizeof(CUdevResource::_internal_padding));

struct Granule {
  uint32_t least = 1;
  uint32_t alignment = 1;
};

// By the major number of the compute capability.
Granule GranuleOf(const Device& device) {
  const int major = device.cc_major();
  if (major >= 9) {
    return {.least = 8, .alignment = 8};
  }
  if (major == 8) {
    return {.least = 4, .alignment = 2};
  }
  return major == 7 ? Granule{.least = 2, .alignment = 2} : Granule{};
}

uint64_t NextSplit() {
  static std::atomic<uint64_t> made{0};
  return made.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

ProcessorSet::ProcessorSet(const Device& device) : device_(device.ordinal()) {
  const auto count = static_cast<uint32_t>(device.processors());
  for (uint32_t i = 0; i < std::min(count, kProcessorsMax); ++i) {
    bits_[i / 64] |= uint64_t{1} << i % 64;
  }
}

uint32_t ProcessorSet::count() const {
  uint32_t count = 0;
  for (const uint64_t word : bits_) {
    count += static_cast<uint32_t>(std::popcount(word));
  }
  return count;
}

void ProcessorSet::Add(const ProcessorSet& other) {
  device_ = other.device_;
  split_ = other.split_;
  for (size_t i = 0; i < bits_.size(); ++i) {
    bits_[i] |= other.bits_[i];
  }
}

void ProcessorSet::Write(const Device& device, CUdevResource* resource) const {
  *resource = CUdevResource{};
  if (count() == 0) {
    return;
  }
  const Inner inner{.split = split_, .bits = bits_, .device = device_};
  const Granule granule = GranuleOf(device);
  resource->type = CU_DEV_RESOURCE_TYPE_SM;
  std::memcpy(resource->_internal_padding, &inner, sizeof inner);
  resource->sm.smCount = count();
  resource->sm.minSmPartitionSize = granule.least;
  resource->sm.smCoscheduledAlignment = granule.alignment;
}

CUresult ProcessorSet::Read(const CUdevResource& resource,
                            const std::vector<Device>& devices,
                            ProcessorSet* set) {
  if (resource.type != CU_DEV_RESOURCE_TYPE_SM) {
    return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  }
  Inner inner;
  std::memcpy(&inner, resource._internal_padding, sizeof inner);
  if (inner.magic != kMagic || inner.device < 0 ||
      static_cast<size_t>(inner.device) >= devices.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  set->bits_ = inner.bits;
  set->split_ = inner.split;
  set->device_ = inner.device;
  ProcessorSet all(devices[static_cast<size_t>(inner.device)]);
  const uint32_t there = all.count();
  all.Add(*set);
  return set->count() == 0 || all.count() != there ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult ProcessorSplit::Make(const ProcessorSet& input,
                              const Device& device,
                              uint32_t groups_max,
                              unsigned int flags,
                              uint32_t minimum,
                              ProcessorSplit* split) {
  constexpr unsigned int kFlagsKnown = CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING |
                                       CU_DEV_SM_RESOURCE_SPLIT_MAX_POTENTIAL_CLUSTER_SIZE;
  const uint32_t there = input.count();
  if ((flags & ~kFlagsKnown) != 0 || minimum > there) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (input.split() != 0) {
    return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;  // only what a context has is divided again
  }
  Granule granule = GranuleOf(device);
  if ((flags & CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING) != 0) {
    granule = {.least = std::min(granule.least, kTogether),
               .alignment = std::min(granule.alignment, kTogether)};
  }
  const uint32_t wanted = std::max(minimum, granule.least);
  const uint32_t size = (wanted + granule.alignment - 1) / granule.alignment * granule.alignment;
  split->possible = there / size;
  if (split->possible == 0) {
    return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
  }
  const uint32_t groups = std::min(groups_max, split->possible);
  const uint64_t number = NextSplit();
  split->groups.assign(groups, ProcessorSet());
  split->rest = ProcessorSet();
  uint32_t taken = 0;
  for (uint32_t i = 0; i < kProcessorsMax; ++i) {
    const uint64_t bit = input.bits_[i / 64] & uint64_t{1} << i % 64;
    ProcessorSet& to = taken / size < groups ? split->groups[taken / size] : split->rest;
    to.bits_[i / 64] |= bit;
    taken += bit == 0 ? 0 : 1;
  }
  for (ProcessorSet& group : split->groups) {
    group.split_ = number;
    group.device_ = input.device_;
  }
  split->rest.split_ = number;
  split->rest.device_ = input.device_;
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
