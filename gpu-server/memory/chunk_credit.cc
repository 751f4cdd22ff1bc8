// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/chunk_credit.h"

namespace farlane::server {

CUresult CreateChunks(const DriverTable& driver,
                      CUdevice device,
                      size_t count,
                      std::vector<ChunkHandle>* chunks) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_NONE;
  properties.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  properties.location.id = device;
  chunks->clear();
  chunks->reserve(count);
  for (size_t i = 0; i < count; ++i) {
    ChunkHandle chunk = 0;
    const CUresult result = driver.cuMemCreate(&chunk, kChunkBytes, &properties, 0);
    if (result != CUDA_SUCCESS) {
      ReleaseChunks(driver, *chunks);
      chunks->clear();
      return result;
    }
    chunks->push_back(chunk);
  }
  return CUDA_SUCCESS;
}

CUmemAccessDesc AccessOf(CUdevice device, CUmemAccess_flags flags) {
  CUmemAccessDesc access{};
  access.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
  access.location.id = device;
  access.flags = flags;
  return access;
}

void ReleaseChunks(const DriverTable& driver, const std::vector<ChunkHandle>& chunks) {
  for (const ChunkHandle chunk : chunks) {
    static_cast<void>(driver.cuMemRelease(chunk));  // a handle of ours: nothing to do if it fails
  }
}

}  // namespace farlane::server
