// SPDX-License-Identifier: Apache-2.0
#include "client-shim/launch_attributes.h"

#include <cstring>

#include "client-shim/bodies.h"

namespace farlane::shim {

CUresult LaunchAttributes::Read(const CUlaunchConfig* config) {
  if (config == nullptr || config->numAttrs > kept_.size() ||
      (config->numAttrs != 0 && config->attrs == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUresult result = CUDA_SUCCESS;
  for (unsigned int i = 0; result == CUDA_SUCCESS && i < config->numAttrs; ++i) {
    result = Keep(config->attrs[i]);
  }
  return result;
}

CUresult LaunchAttributes::Keep(const CUlaunchAttribute& attribute) {
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      cooperative_ = attribute.value.cooperative != 0;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING:
      // Cleared first, so that nothing of the stack travels in the gaps.
      memset(&kept_[count_], 0, sizeof kept_[count_]);
      kept_[count_].id = attribute.id;
      kept_[count_++].value = attribute.value;
      return CUDA_SUCCESS;
    default:
      return Missing("cuLaunchKernelEx with this launch attribute");
  }
}

}  // namespace farlane::shim
