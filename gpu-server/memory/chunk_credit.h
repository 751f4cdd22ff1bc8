// SPDX-License-Identifier: Apache-2.0
// Chunks are the unit in which device memory is promised: 2 MiB of physical memory, created before
// it is granted, so that backing an address with granted memory cannot fail for want of it.
#pragma once

#include <cstdint>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "protocol/base/bytes.h"

namespace farlane::server {

// The smallest size that every driver can map; a client sub-allocates inside it.
inline constexpr uint64_t kChunkBytes = 2_MiB;

using ChunkHandle = CUmemGenericAllocationHandle;

// Creates so many chunks on a device, all or (with an error) none. May take long: never on a
// dispatch thread. Needs no context.
CUresult CreateChunks(const DriverTable& driver,
                      CUdevice device,
                      size_t count,
                      std::vector<ChunkHandle>* chunks);

// What a device may do with memory, in the words of the driver.
CUmemAccessDesc AccessOf(CUdevice device, CUmemAccess_flags flags);

void ReleaseChunks(const DriverTable& driver, const std::vector<ChunkHandle>& chunks);

}  // namespace farlane::server
