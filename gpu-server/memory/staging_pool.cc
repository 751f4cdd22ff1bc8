// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/staging_pool.h"

#include <utility>

#include <sys/mman.h>

#include "gpu-server/driver/driver.h"
#include "protocol/base/check.h"
#include "protocol/base/log.h"

namespace farlane::server {

StagingBlock::StagingBlock(StagingBlock&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}

StagingBlock& StagingBlock::operator=(StagingBlock&& other) noexcept {
  if (this != &other) {
    if (pool_ != nullptr) {
      pool_->Return(bytes_);
    }
    pool_ = std::exchange(other.pool_, nullptr);
    bytes_ = std::exchange(other.bytes_, {});
  }
  return *this;
}

StagingBlock::~StagingBlock() {
  if (pool_ != nullptr) {
    pool_->Return(bytes_);
  }
}

StagingPool::~StagingPool() {
  free_.With([](Free& free) {
    for (std::byte* block : free.small) {
      munmap(block, kStagingSmallBytes);
    }
    for (std::byte* block : free.large) {
      munmap(block, kStagingLargeBytes);
    }
  });
}

StagingBlock StagingPool::Take(size_t bytes) {
  FARLANE_CHECK(bytes <= kStagingLargeBytes);
  const size_t size = bytes <= kStagingSmallBytes ? kStagingSmallBytes : kStagingLargeBytes;
  std::byte* block = free_.With([size](Free& free) -> std::byte* {
    auto& of_size = size == kStagingSmallBytes ? free.small : free.large;
    if (of_size.empty()) {
      return nullptr;
    }
    std::byte* const last = of_size.back();
    of_size.pop_back();
    return last;
  });
  if (block == nullptr) {
    block = Make(size);
  }
  return block == nullptr ? StagingBlock() : StagingBlock(this, Bytes(block, size));
}

std::byte* StagingPool::Make(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) {
    return nullptr;
  }
  auto* const block = static_cast<std::byte*>(memory);
  const CUresult result = driver_.cuMemHostRegister_v2(block, bytes, CU_MEMHOSTREGISTER_PORTABLE);
  if (result == CUDA_SUCCESS) {
    free_.With([block](Free& free) { free.registered.push_back(block); });
  } else {
    // Copies from plain memory are slower, not wrong.
    LogDebug("staging is not pinned: %s", DescribeResult(result).c_str());
  }
  return block;
}

void StagingPool::Return(Bytes block) {
  free_.With([block](Free& free) {
    if (free.retired) {
      munmap(block.data(), block.size());
    } else {
      (block.size() == kStagingSmallBytes ? free.small : free.large).push_back(block.data());
    }
  });
}

void StagingPool::Retire() {
  std::vector<std::byte*> registered;
  free_.With([&registered](Free& free) {
    free.retired = true;
    registered.swap(free.registered);
  });
  for (std::byte* block : registered) {
    static_cast<void>(driver_.cuMemHostUnregister(block));
  }
}

}  // namespace farlane::server
