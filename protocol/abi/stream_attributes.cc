// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/stream_attributes.h"

#include <cstring>

namespace farlane::abi {
namespace {

// No device has more than four domains.
constexpr unsigned char kDomainsMax = 4;

bool IsWindow(const CUaccessPolicyWindow& window) {
  const bool is_hit = window.hitProp >= CU_ACCESS_PROPERTY_NORMAL &&
                      window.hitProp <= CU_ACCESS_PROPERTY_PERSISTING;
  const bool is_miss = window.missProp == CU_ACCESS_PROPERTY_NORMAL ||
                       window.missProp == CU_ACCESS_PROPERTY_STREAMING;
  return is_hit && is_miss && window.hitRatio >= 0 && window.hitRatio <= 1;
}

}  // namespace

CUresult StreamAttributes::Check(CUstreamAttrID id, const CUstreamAttrValue& value) {
  bool fits = false;
  switch (id) {
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
      fits = IsWindow(value.accessPolicyWindow);
      break;
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
      fits = value.syncPolicy >= CU_SYNC_POLICY_AUTO &&
             value.syncPolicy <= CU_SYNC_POLICY_BLOCKING_SYNC;
      break;
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
      fits = true;
      break;
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
      fits = value.memSyncDomainMap.default_ < kDomainsMax &&
             value.memSyncDomainMap.remote < kDomainsMax;
      break;
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
      fits = value.memSyncDomain == CU_LAUNCH_MEM_SYNC_DOMAIN_DEFAULT ||
             value.memSyncDomain == CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE;
      break;
    default:
      break;
  }
  return fits ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult StreamAttributes::Set(CUstreamAttrID id, const CUstreamAttrValue& value) {
  const CUresult result = Check(id, value);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  values_.With([id, &value](Values& values) {
    if (id == CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW) {
      values.window = value.accessPolicyWindow;
    } else if (id == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY) {
      values.policy = value.syncPolicy;
    } else if (id == CU_LAUNCH_ATTRIBUTE_PRIORITY) {
      values.priority = value.priority;
    } else if (id == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP) {
      values.domains = value.memSyncDomainMap;
    } else {
      values.domain = value.memSyncDomain;
    }
  });
  return CUDA_SUCCESS;
}

CUresult StreamAttributes::Tell(CUstreamAttrID id, CUstreamAttrValue* value) const {
  return values_.With([id, value](const Values& values) {
    memset(value, 0, sizeof *value);
    switch (id) {
      case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
        value->accessPolicyWindow = values.window;
        return CUDA_SUCCESS;
      case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
        value->syncPolicy = values.policy;
        return CUDA_SUCCESS;
      case CU_LAUNCH_ATTRIBUTE_PRIORITY:
        value->priority = values.priority;
        return CUDA_SUCCESS;
      case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
        value->memSyncDomainMap = values.domains;
        return CUDA_SUCCESS;
      case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
        value->memSyncDomain = values.domain;
        return CUDA_SUCCESS;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

}  // namespace farlane::abi
