// SPDX-License-Identifier: Apache-2.0
// StreamAttributes are what a program has asked of one stream beyond its flags, kept so that it can
// be asked back. Which settings there are and what they may be is the manual's; what becomes of
// them is the driver's own business.
#pragma once

#include <array>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::abi {

// What one stream takes from another.
inline constexpr std::array kStreamAttributes = {
    CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY,
    CU_LAUNCH_ATTRIBUTE_PRIORITY, CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP,
    CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN};

// Thread: any, guarded.
class StreamAttributes {
 public:
  explicit StreamAttributes(int priority = 0) : values_({.priority = priority}) {}

  int priority() const {
    return values_.With([](const Values& values) { return values.priority; });
  }

  // CUDA_ERROR_INVALID_VALUE for what streams do not have, and for values outside of the manual's.
  // A priority is brought to its device's range by the caller.
  CUresult Tell(CUstreamAttrID id, CUstreamAttrValue* value) const;
  CUresult Set(CUstreamAttrID id, const CUstreamAttrValue& value);
  // Whether Set would take it.
  static CUresult Check(CUstreamAttrID id, const CUstreamAttrValue& value);

 private:
  struct Values {
    int priority = 0;
    CUaccessPolicyWindow window{};
    CUsynchronizationPolicy policy = CU_SYNC_POLICY_AUTO;
    CUlaunchMemSyncDomainMap domains{.default_ = 0, .remote = 1};
    CUlaunchMemSyncDomain domain = CU_LAUNCH_MEM_SYNC_DOMAIN_DEFAULT;
  };

  Guarded<Values> values_;
};

}  // namespace farlane::abi
