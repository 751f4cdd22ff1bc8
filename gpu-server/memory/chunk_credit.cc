// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/chunk_credit.h"

namespace farlane::server {

namespace {

// Nobody knows yet what a chunk will hold, and memory that could not be passed on cannot be made so
// without another address; to say so now costs nothing.
CUmemAllocationHandleType HandleTypesOf(const DriverTable& driver, CUdevice device) {
  int supported = 0;
  const CUresult asked = driver.cuDeviceGetAttribute(
      &supported, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, device);
  return asked == CUDA_SUCCESS && supported != 0 ? CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
                                                 : CU_MEM_HANDLE_TYPE_NONE;
}

}  // namespace

CUresult CreateChunks(const DriverTable& driver,
                      CUdevice device,
                      size_t count,
                      std::vector<ChunkHandle>* chunks) {
  CUmemAllocationProp properties{};
  properties.type = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.requestedHandleTypes = HandleTypesOf(driver, device);
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
