// SPDX-License-Identifier: Apache-2.0
// How many blocks fit.
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/device/occupancy.h"

namespace farlane::soft {
namespace {

constexpr unsigned int kFlagsKnown = CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE;

uint32_t Blocks(const ContextCall& call,
                const FunctionUse& use,
                uint32_t threads,
                uint64_t dynamic_bytes) {
  if (threads > use.facts().threads_max) {
    return 0;
  }
  BlockNeeds needs;
  needs.threads = threads;
  needs.registers = use.facts().registers;
  needs.shared_bytes =
      use.module->program().MemoryOf(use.function->index).static_shared_bytes + dynamic_bytes;
  const SharedMemory shared = SharedMemoryOf(call.driver->config());
  return needs.shared_bytes > shared.block_bytes ? 0 : BlocksPerProcessor(shared, needs);
}

int Processors(const ContextCall& call) {
  return call.driver->devices()[static_cast<size_t>(call.context->device())].processors();
}

uint64_t ClusterBlocks(const CUlaunchConfig& config) {
  for (unsigned int i = 0; config.attrs != nullptr && i < config.numAttrs; ++i) {
    if (config.attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
      const auto& size = config.attrs[i].value.clusterDim;
      return std::max<uint64_t>(uint64_t{size.x} * size.y * size.z, 1);
    }
  }
  return 1;
}

// What occupancy calls without flags and with flags share.
CUresult MaxBlocks(int* numBlocks, CUfunction func, int blockSize, size_t dynamic_bytes) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (numBlocks == nullptr || blockSize <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, func, &use));
  *numBlocks = static_cast<int>(Blocks(call, use, static_cast<uint32_t>(blockSize), dynamic_bytes));
  return CUDA_SUCCESS;
}

struct PotentialRequest {
  CUfunction function = nullptr;
  CUoccupancyB2DSize shared_of_block_or_null = nullptr;
  size_t dynamic_bytes = 0;
  int block_limit = 0;  // 0: none
};

CUresult MaxPotential(int* minGridSize, int* blockSize, const PotentialRequest& request) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (minGridSize == nullptr || blockSize == nullptr || request.block_limit < 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, request.function, &use));
  uint32_t limit = std::min(use.facts().threads_max, kThreadsPerBlockMax);
  if (request.block_limit > 0) {
    limit = std::min(limit, static_cast<uint32_t>(request.block_limit));
  }
  uint32_t best_threads = 0;
  uint32_t best_blocks = 0;
  uint32_t best_block = 0;
  // From the largest down: of equals the larger block is taken.
  for (uint32_t block = limit; block > 0;
       block = block > kWarpThreads ? (block - 1) / kWarpThreads * kWarpThreads : 0) {
    const size_t dynamic_bytes = request.shared_of_block_or_null != nullptr
                                     ? request.shared_of_block_or_null(static_cast<int>(block))
                                     : request.dynamic_bytes;
    const uint32_t blocks = Blocks(call, use, block, dynamic_bytes);
    if (blocks * block > best_threads) {
      best_threads = blocks * block;
      best_blocks = blocks;
      best_block = block;
    }
  }
  *blockSize = static_cast<int>(best_block);
  *minGridSize = static_cast<int>(best_blocks) * Processors(call);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize, unsigned int flags) {
  return (flags & ~kFlagsKnown) != 0 ? CUDA_ERROR_INVALID_VALUE
                                     : MaxBlocks(numBlocks, func, blockSize, dynamicSMemSize);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* minGridSize,
                                                   int* blockSize,
                                                   CUfunction func,
                                                   CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                                   size_t dynamicSMemSize,
                                                   int blockSizeLimit,
                                                   unsigned int flags) {
  if ((flags & ~kFlagsKnown) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return MaxPotential(minGridSize, blockSize,
                      {func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit});
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t* dynamicSmemSize,
                                                 CUfunction func,
                                                 int numBlocks,
                                                 int blockSize) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (dynamicSmemSize == nullptr || numBlocks <= 0 || blockSize <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, func, &use));
  *dynamicSmemSize =
      SharedBytesLeft(SharedMemoryOf(call.driver->config()), static_cast<uint32_t>(numBlocks),
                      use.module->program().MemoryOf(use.function->index).static_shared_bytes);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialClusterSize(int* clusterSize,
                                            CUfunction func,
                                            const CUlaunchConfig* config) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (clusterSize == nullptr || config == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, func, &use));
  *clusterSize = 1;  // blocks of this device share nothing with their neighbours
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveClusters(int* numClusters,
                                      CUfunction func,
                                      const CUlaunchConfig* config) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (numClusters == nullptr || config == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  FARLANE_SOFT_TRY(FindFunction(call, func, &use));
  const uint64_t threads = uint64_t{config->blockDimX} * config->blockDimY * config->blockDimZ;
  if (threads == 0 || threads > kThreadsPerBlockMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t blocks =
      uint64_t{Blocks(call, use, static_cast<uint32_t>(threads), config->sharedMemBytes)} *
      static_cast<uint64_t>(Processors(call));
  *numClusters = static_cast<int>(blocks / ClusterBlocks(*config));
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
