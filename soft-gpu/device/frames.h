// SPDX-License-Identifier: Apache-2.0
// Frames is the physical memory of one device: a file without a name, dealt out in frames of 2 MiB.
// A frame is all zero when it is dealt out, whoever had it before: freeing punches its bytes out of
// the file.
#pragma once

#include <cstdint>
#include <vector>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"
#include "protocol/base/result.h"

namespace farlane::soft {

constexpr uint64_t kFrameBytes = 2_MiB;
constexpr uint64_t kFramesBytesMax = 1024_GiB;  // of one device: more does not fit the window

// A run of neighbouring frames, as a place in the file.
struct Extent {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

// Thread: any, guarded.
class Frames {
 public:
  static Result<Frames> Create(uint64_t capacity_bytes);

  // Frames for `size_bytes`, a multiple of kFrameBytes; kExhausted if the device has not that many.
  // The frames freed last are dealt out first, as they are the likeliest to be cached.
  Result<std::vector<Extent>> Allocate(uint64_t size_bytes);
  void Free(const std::vector<Extent>& extents);

  int fd() const { return file_.get(); }

  uint64_t capacity_bytes() const { return capacity_bytes_; }

  uint64_t used_bytes() const;

 private:
  Frames(Fd file, uint64_t capacity_bytes);

  Fd file_;
  uint64_t capacity_bytes_;
  // Free frames by number; the last one is dealt out next.
  std::unique_ptr<Guarded<std::vector<uint32_t>>> free_;
};

}  // namespace farlane::soft
