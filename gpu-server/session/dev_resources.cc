// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/dev_resources.h"

#include <algorithm>
#include <cstring>

namespace farlane::server {

uint64_t DevResources::Keep(const CUdevResource& resource) {
  const auto found = std::find_if(
      resources_.begin(), resources_.end(),
      [&resource](const CUdevResource& one) { return memcmp(&one, &resource, sizeof one) == 0; });
  const auto place = static_cast<uint64_t>(found - resources_.begin());
  if (found == resources_.end()) {
    if (resources_.size() == kResourcesMax) {
      return 0;
    }
    resources_.push_back(resource);
  }
  return place + 1;
}

const CUdevResource* DevResources::Find(uint64_t number) const {
  return number == 0 || number > resources_.size() ? nullptr : &resources_[number - 1];
}

}  // namespace farlane::server
