// SPDX-License-Identifier: Apache-2.0
// SampleServers picks some servers of a large pool to look at: half of them from where the client
// is near, half from anywhere. That finds as good a place as looking at all, nearly always.
#pragma once

#include <cstdint>
#include <vector>

#include "pool-manager/placement/network_view.h"
#include "pool-manager/placement/request_filter.h"

namespace farlane::pool {

inline constexpr size_t kSampleServers = 256;

// In rising order, each once. The same request id gives the same sample.
std::vector<uint32_t> SampleServers(const ClusterView& cluster,
                                    const NetworkView& network,
                                    const RequestFilter& filter,
                                    const Request& request,
                                    size_t count = kSampleServers);

}  // namespace farlane::pool
