// SPDX-License-Identifier: Apache-2.0
// The block size that fills a multiprocessor, found by asking about each one.
#include <algorithm>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"

namespace farlane::shim {

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* minGridSize,
                                                   int* blockSize,
                                                   CUfunction func,
                                                   CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                                   size_t dynamicSMemSize,
                                                   int blockSizeLimit,
                                                   unsigned int flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (!scope.Knows(func)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (minGridSize == nullptr || blockSize == nullptr || blockSizeLimit < 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Device& device = scope.session().device(scope.device());
  const Kernel& kernel = *scope.session().objects().functions.Find(ToWire(func))->kernel;
  const int warp = device.attribute(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  int limit = std::min(
      kernel.attributes.empty() ? 0 : kernel.attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK],
      device.attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK));
  limit = blockSizeLimit == 0 ? limit : std::min(limit, blockSizeLimit);
  const int threads_max = device.attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
  int best_threads = 0;
  int best_block = 0;
  int best_blocks = 0;
  // From the largest block down in whole warps, until the multiprocessor is full: ties go to the
  // larger block.
  for (int rounded = (limit + warp - 1) / warp * warp; rounded > 0 && best_threads < threads_max;
       rounded -= warp) {
    const int block = std::min(rounded, limit);
    const size_t shared =
        blockSizeToDynamicSMemSize != nullptr ? blockSizeToDynamicSMemSize(block) : dynamicSMemSize;
    int blocks = 0;
    const CUresult result =
        cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, func, block, shared, flags);
    if (result != CUDA_SUCCESS) {
      return result;
    }
    if (blocks * block > best_threads) {
      best_threads = blocks * block;
      best_block = block;
      best_blocks = blocks;
    }
  }
  *minGridSize = best_blocks * device.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  *blockSize = best_block;
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
