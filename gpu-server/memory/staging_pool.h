// SPDX-License-Identifier: Apache-2.0
// StagingPool lends pinned host memory of one context: data rests there between the network and the
// device. The memory is ours and only registered with the driver, so that a block that outlives its
// context is still memory.
#pragma once

#include <memory>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Two sizes: a page cluster for the many small copies, and one that keeps both the device and the
// network busy for large ones.
inline constexpr size_t kStagingSmallBytes = 64_KiB;
inline constexpr size_t kStagingLargeBytes = 1_MiB;

class StagingPool;

// A lent block; goes back to its pool when destroyed.
// Thread: caller's.
class StagingBlock {
 public:
  StagingBlock() = default;
  StagingBlock(StagingBlock&& other) noexcept;
  StagingBlock& operator=(StagingBlock&& other) noexcept;
  ~StagingBlock();

  Bytes bytes() const { return bytes_; }

 private:
  friend class StagingPool;

  StagingBlock(StagingPool* pool, Bytes bytes) : pool_(pool), bytes_(bytes) {}

  StagingPool* pool_ = nullptr;
  Bytes bytes_;
};

// Thread: any, guarded. Lives longer than its blocks. Take needs the pool's context to be current.
class StagingPool {
 public:
  explicit StagingPool(const DriverTable& driver) : driver_(driver) {}

  StagingPool(const StagingPool&) = delete;
  StagingPool& operator=(const StagingPool&) = delete;
  ~StagingPool();

  // A block of at least so many bytes, at most kStagingLargeBytes; empty when the host has no
  // memory left.
  StagingBlock Take(size_t bytes);

  // Takes the registration of all free blocks away, while the context still exists.
  void Retire();

 private:
  friend class StagingBlock;

  struct Free {
    std::vector<std::byte*> small;
    std::vector<std::byte*> large;
    std::vector<std::byte*> registered;
    bool retired = false;
  };

  void Return(Bytes block);
  std::byte* Make(size_t bytes);

  const DriverTable& driver_;
  Guarded<Free> free_;
};

}  // namespace farlane::server
