// SPDX-License-Identifier: Apache-2.0
// PhysicalMemory is a piece of a device's memory without an address. Its frames go back to the
// device when nobody has a handle to it and it is mapped nowhere.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "soft-gpu/device/frames.h"

namespace farlane::soft {

// Shared by its handle and its mappings.
// Thread: immutable.
class PhysicalMemory {
 public:
  // Null if the device has not that much left. `frames` outlives the memory.
  static std::shared_ptr<PhysicalMemory> Create(Frames* frames, int device, uint64_t size_bytes) {
    Result<std::vector<Extent>> extents = frames->Allocate(size_bytes);
    if (!extents.ok()) {
      return nullptr;
    }
    return std::shared_ptr<PhysicalMemory>(
        new PhysicalMemory(frames, device, size_bytes, std::move(extents).value(), false));
  }

  // What another process has shared; null if that is gone. `frames` are its device's, which
  // the program counts as `device`.
  static std::shared_ptr<PhysicalMemory> Join(Frames* frames, int device, const FrameKey& key) {
    Result<std::vector<Extent>> extents = frames->Join(key);
    if (!extents.ok()) {
      return nullptr;
    }
    uint64_t size_bytes = 0;
    for (const Extent& extent : extents.value()) {
      size_bytes += extent.size_bytes;
    }
    return std::shared_ptr<PhysicalMemory>(
        new PhysicalMemory(frames, device, size_bytes, std::move(extents).value(), true));
  }

  ~PhysicalMemory() {
    if (joined_) {
      frames_->Leave(extents_);
    } else {
      frames_->Free(extents_);
    }
  }

  PhysicalMemory(const PhysicalMemory&) = delete;
  PhysicalMemory& operator=(const PhysicalMemory&) = delete;

  int device() const { return device_; }

  uint64_t size_bytes() const { return size_bytes_; }

  int fd() const { return frames_->fd(); }

  const std::vector<Extent>& extents() const { return extents_; }

  // Lets other processes join it; the key of what was joined is the one it was joined by.
  FrameKey Share() const { return frames_->Share(extents_); }

  // A descriptor by which others can join it, and which keeps it meanwhile.
  Result<Fd> MakeHold() const { return frames_->MakeHold(Share(), extents_); }

 private:
  PhysicalMemory(
      Frames* frames, int device, uint64_t size_bytes, std::vector<Extent> extents, bool joined)
      : frames_(frames),
        device_(device),
        size_bytes_(size_bytes),
        extents_(std::move(extents)),
        joined_(joined) {}

  Frames* frames_;
  int device_;
  uint64_t size_bytes_;
  std::vector<Extent> extents_;
  bool joined_;
};

}  // namespace farlane::soft
