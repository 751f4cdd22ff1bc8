// SPDX-License-Identifier: Apache-2.0
// AddressWindow is the one range of addresses in which everything lies that a kernel may touch. Its
// size is a power of two and its base a multiple of that, so generated code checks an address with
// one subtraction and one comparison. What is not mapped in it cannot be read or written.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "protocol/base/guarded.h"
#include "protocol/base/result.h"

namespace farlane::soft {

// Thread: any, guarded.
class AddressWindow {
 public:
  // Takes the first of a few fixed places that is free: another process can usually take the same.
  static Result<std::unique_ptr<AddressWindow>> Create();
  ~AddressWindow();

  AddressWindow(const AddressWindow&) = delete;
  AddressWindow& operator=(const AddressWindow&) = delete;

  // A free range, at `hint` if that is free, aligned and inside the window, else elsewhere. Sizes
  // are multiples of the page; `align_bytes` is a power of two. Nothing is mapped there yet.
  std::optional<uint64_t> Reserve(uint64_t size_bytes, uint64_t align_bytes, uint64_t hint);
  // Gives a range of Reserve back; its pages are gone at once.
  void Release(uint64_t base, uint64_t size_bytes);

  // Shows a part of a file at `base`, which lies in a reserved range.
  Status Map(uint64_t base, uint64_t size_bytes, int fd, uint64_t offset_bytes, bool writable);
  // Puts fresh zeroed memory of this process there.
  Status MapPrivate(uint64_t base, uint64_t size_bytes);
  // Shows memory of the process there a second time, which must be one shared mapping.
  Status MapTwice(uint64_t base, uint64_t size_bytes, uint64_t address);
  // Makes a range inaccessible again.
  void Unmap(uint64_t base, uint64_t size_bytes);

  bool Contains(uint64_t address, uint64_t size_bytes) const {
    return address >= base_ && size_bytes <= size_bytes_ &&
           address - base_ <= size_bytes_ - size_bytes;
  }

  uint64_t base() const { return base_; }

  uint64_t size_bytes() const { return size_bytes_; }

 private:
  using FreeRanges = std::map<uint64_t, uint64_t>;  // base -> size; neighbours are merged

  AddressWindow(uint64_t base, uint64_t size_bytes);

  static bool TakeAt(FreeRanges* free, uint64_t base, uint64_t size_bytes);

  uint64_t base_;
  uint64_t size_bytes_;
  Guarded<FreeRanges> free_;
};

}  // namespace farlane::soft
