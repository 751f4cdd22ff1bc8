// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/frames.h"

#include <cerrno>
#include <memory>
#include <string>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/base/log.h"

namespace farlane::soft {

Result<Frames> Frames::Create(uint64_t capacity_bytes) {
  Fd file(memfd_create("farlane-soft-gpu", MFD_CLOEXEC));
  if (!file.valid()) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot make the device's memory", errno);
  }
  if (ftruncate(file.get(), static_cast<off_t>(capacity_bytes)) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot size the device's memory", errno);
  }
  return Frames(std::move(file), capacity_bytes);
}

Frames::Frames(Fd file, uint64_t capacity_bytes)
    : file_(std::move(file)),
      capacity_bytes_(capacity_bytes),
      free_(std::make_unique<Guarded<std::vector<uint32_t>>>()) {
  const auto count = static_cast<uint32_t>(capacity_bytes / kFrameBytes);
  free_->With([&](std::vector<uint32_t>& free) {
    free.reserve(count);
    // Backwards, so that frames are first dealt out from the start of the file.
    for (uint32_t frame = count; frame > 0; --frame) {
      free.push_back(frame - 1);
    }
  });
}

Result<std::vector<Extent>> Frames::Allocate(uint64_t size_bytes) {
  const uint64_t count = size_bytes / kFrameBytes;
  return free_->With([&](std::vector<uint32_t>& free) -> Result<std::vector<Extent>> {
    if (count > free.size()) {
      return Status(StatusCode::kExhausted, std::to_string(count) + " frames are wanted and " +
                                                std::to_string(free.size()) + " are free");
    }
    std::vector<Extent> extents;
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t offset = free.back() * kFrameBytes;
      free.pop_back();
      if (!extents.empty() && extents.back().offset_bytes + extents.back().size_bytes == offset) {
        extents.back().size_bytes += kFrameBytes;
      } else {
        extents.push_back({offset, kFrameBytes});
      }
    }
    return extents;
  });
}

void Frames::Free(const std::vector<Extent>& extents) {
  for (const Extent& extent : extents) {
    if (fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(extent.offset_bytes),
                  static_cast<off_t>(extent.size_bytes)) != 0) {
      // Frames that cannot be emptied are not dealt out again: nobody may see another's bytes.
      LogError("soft-gpu: %llu bytes of device memory cannot be emptied and are lost: errno %d",
               static_cast<unsigned long long>(extent.size_bytes), errno);
      continue;
    }
    free_->With([&](std::vector<uint32_t>& free) {
      const uint64_t first = extent.offset_bytes / kFrameBytes;
      for (uint64_t i = extent.size_bytes / kFrameBytes; i > 0; --i) {
        free.push_back(static_cast<uint32_t>(first + i - 1));
      }
    });
  }
}

uint64_t Frames::used_bytes() const {
  const uint64_t free_bytes =
      free_->With([](const std::vector<uint32_t>& free) { return free.size() * kFrameBytes; });
  return RoundDown(capacity_bytes_, kFrameBytes) - free_bytes;
}

}  // namespace farlane::soft
