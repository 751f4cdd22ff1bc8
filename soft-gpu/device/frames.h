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
  // The file is shared by the frames of all its devices. This process's first one is the file's
  // device `first`, and keys name devices as this process counts them.
  Frames(std::shared_ptr<FrameFile> file, uint32_t device, uint32_t first = 0)
      : file_(std::move(file)), device_(first + device), first_(first) {}

  Result<std::vector<Extent>> Allocate(uint64_t size_bytes) {
    return file_->Allocate(device_, size_bytes);
  }

  void Free(const std::vector<Extent>& extents) { file_->Free(device_, extents); }

  // Frames that several processes hold; see FrameFile.
  FrameKey Share(const std::vector<Extent>& extents) {
    FrameKey key = file_->Share(device_, extents);
    key.device -= first_;
    return key;
  }

  Result<Fd> MakeHold(const FrameKey& key, const std::vector<Extent>& extents) {
    return file_->MakeHold(InFile(key), extents);
  }

  std::optional<FrameKey> KeyOf(int hold) const {
    std::optional<FrameKey> key = file_->KeyOf(hold);
    if (!key || key->device < first_) {
      return std::nullopt;
    }
    key->device -= first_;
    return key;
  }

  bool IsMine(const FrameKey& key) const { return file_->IsMine(InFile(key)); }

  Result<std::vector<Extent>> Join(const FrameKey& key) { return file_->Join(InFile(key)); }

  void Leave(const std::vector<Extent>& extents) { file_->Leave(device_, extents); }

  int fd() const { return file_->fd(); }

  uint64_t capacity_bytes() const { return file_->capacity_bytes(); }

  uint64_t used_bytes() const { return file_->used_bytes(device_); }

 private:
  FrameKey InFile(FrameKey key) const {
    key.device += first_;
    return key;
  }

  std::shared_ptr<FrameFile> file_;
  uint32_t device_;
  uint32_t first_;
};

}  // namespace farlane::soft
