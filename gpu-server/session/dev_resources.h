// SPDX-License-Identifier: Apache-2.0
// DevResources keeps the driver's descriptions of processors that the client has asked for, by
// numbers: the client gets those, and no description that it sends ever reaches the driver.
// Nothing ends a resource, so one that is asked for again keeps its number, and there is a limit.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/abi/cuda_abi.h"

namespace farlane::server {

// Thread: the dispatch thread.
class DevResources {
 public:
  // Of 144 bytes each.
  static constexpr size_t kResourcesMax = 4096;

  // Its number; 0 when there are too many.
  uint64_t Keep(const CUdevResource& resource);
  // Null when there is none; valid until the next is kept.
  const CUdevResource* Find(uint64_t number) const;

 private:
  std::vector<CUdevResource> resources_;
};

}  // namespace farlane::server
