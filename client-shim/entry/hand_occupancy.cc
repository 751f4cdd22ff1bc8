// SPDX-License-Identifier: Apache-2.0
// Occupancy: asked of the server's driver once per kernel and shape, since a formula of ours would
// pick wrong sizes.
#include <algorithm>
#include <map>
#include <tuple>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {
namespace {

using Question = std::tuple<wire::Handle, int, size_t, unsigned>;

Guarded<std::map<Question, int>>& Answers() {
  static auto* const answers =
      new Guarded<std::map<Question, int>>();  // never destroyed, as the session is not
  return *answers;
}

// Bounds what a program that asks about ever new shapes can make us keep.
constexpr size_t kAnswersMax = 1 << 16;

CUresult Ask(const CallScope& scope, const Question& question, int* blocks) {
  const auto& [function, threads, shared_bytes, flags] = question;
  wire::OccupancyMaxActiveBlocksPerMultiprocessorWithFlagsReply reply;
  const CUresult result = scope.Call(
      wire::OccupancyMaxActiveBlocksPerMultiprocessorWithFlags{
          .func = function, .blockSize = threads, .dynamicSMemSize = shared_bytes, .flags = flags},
      &reply);
  if (result == CUDA_SUCCESS) {
    *blocks = reply.numBlocks;
    Answers().With([&](std::map<Question, int>& answers) {
      if (answers.size() >= kAnswersMax) {
        answers.clear();
      }
      answers[question] = reply.numBlocks;
    });
  }
  return result;
}

}  // namespace

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize, unsigned int flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (!scope.Knows(func)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (numBlocks == nullptr || blockSize <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Question question(ToWire(func), blockSize, dynamicSMemSize, flags);
  const bool known = Answers().With([&](const std::map<Question, int>& answers) {
    const auto found = answers.find(question);
    *numBlocks = found == answers.end() ? *numBlocks : found->second;
    return found != answers.end();
  });
  return known ? CUDA_SUCCESS : Ask(scope, question, numBlocks);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* numBlocks,
                                                     CUfunction func,
                                                     int blockSize,
                                                     size_t dynamicSMemSize) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize,
                                                              dynamicSMemSize, 0);
}

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
  const Device& device = scope.session().devices()[static_cast<size_t>(scope.device())];
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

CUresult cuOccupancyMaxPotentialBlockSize(int* minGridSize,
                                          int* blockSize,
                                          CUfunction func,
                                          CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                          size_t dynamicSMemSize,
                                          int blockSizeLimit) {
  return cuOccupancyMaxPotentialBlockSizeWithFlags(
      minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit, 0);
}

}  // namespace farlane::shim
