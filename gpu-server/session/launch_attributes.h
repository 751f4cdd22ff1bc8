// SPDX-License-Identifier: Apache-2.0
// LaunchAttributes are the settings of one launch (CUlaunchAttribute), copied out of a message:
// they are not aligned for the driver there, and what is checked must be what is used.
#pragma once

#include <array>
#include <cstring>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"

namespace farlane::server {

// Thread: caller's.
class LaunchAttributes {
 public:
  // CUDA_SUCCESS, or why not.
  CUresult Read(ConstBytes records) {
    if (records.size() % sizeof(CUlaunchAttribute) != 0 ||
        records.size() / sizeof(CUlaunchAttribute) >= kCountMax) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    count_ = records.size() / sizeof(CUlaunchAttribute);
    for (size_t i = 0; i < count_; ++i) {
      memcpy(&attributes_[i], records.data() + i * sizeof(CUlaunchAttribute),
             sizeof(CUlaunchAttribute));
      if (!MayPass(attributes_[i].id)) {
        return CUDA_ERROR_NOT_SUPPORTED;
      }
    }
    return CUDA_SUCCESS;
  }

  void AddCooperative() {
    CUlaunchAttribute& added = attributes_[count_++];
    added = {};
    added.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    added.value.cooperative = 1;
  }

  bool empty() const { return count_ == 0; }

  CUlaunchAttribute* data() { return attributes_.data(); }

  unsigned int size() const { return static_cast<unsigned int>(count_); }

 private:
  // More than there are kinds of attributes.
  static constexpr size_t kCountMax = 32;

  // Attributes that are plain values. Others name events or nodes, which mean nothing here.
  static constexpr bool MayPass(CUlaunchAttributeID id) {
    switch (id) {
      case CU_LAUNCH_ATTRIBUTE_IGNORE:
      case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
      case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
      case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
      case CU_LAUNCH_ATTRIBUTE_PRIORITY:
      case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
      case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
      case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
      case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
      case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING:
      case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:  // a hint; an address in it is only compared
        return true;
      default:
        return false;
    }
  }

  std::array<CUlaunchAttribute, kCountMax> attributes_;
  size_t count_ = 0;
};

}  // namespace farlane::server
