// SPDX-License-Identifier: Apache-2.0
// Frames is the physical memory of one device, or of one instance of one: its part of a FrameFile,
// dealt out in frames of 2 MiB that are all zero, whoever had them before.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "soft-gpu/device/frame_file.h"

namespace farlane::soft {

// Thread: any; the file guards itself.
class Frames {
 public:
  // The file is shared by the frames of all its devices.
  Frames(std::shared_ptr<FrameFile> file, uint32_t place) : file_(std::move(file)), place_(place) {}

  uint32_t place() const { return place_; }

  Result<std::vector<Extent>> Allocate(uint64_t size_bytes) {
    return file_->Allocate(place_, size_bytes);
  }

  void Free(const std::vector<Extent>& extents) { file_->Free(place_, extents); }

  // Frames that several processes hold; see FrameFile.
  FrameKey Share(const std::vector<Extent>& extents) { return file_->Share(place_, extents); }

  Result<Fd> MakeHold(const FrameKey& key, const std::vector<Extent>& extents) {
    return file_->MakeHold(key, extents);
  }

  std::optional<FrameKey> KeyOf(int hold) const { return file_->KeyOf(hold); }

  bool IsMine(const FrameKey& key) const { return file_->IsMine(key); }

  Result<std::vector<Extent>> Join(const FrameKey& key) { return file_->Join(key); }

  void Leave(const std::vector<Extent>& extents) { file_->Leave(place_, extents); }

  int fd() const { return file_->fd(); }

  uint64_t capacity_bytes() const { return file_->capacity_bytes(); }

  uint64_t used_bytes() const { return file_->used_bytes(place_); }

 private:
  std::shared_ptr<FrameFile> file_;
  uint32_t place_;  // of the device, among all in the file
};

}  // namespace farlane::soft
