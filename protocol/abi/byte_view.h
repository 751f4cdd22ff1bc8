// SPDX-License-Identifier: Apache-2.0
// ByteView reads numbers, text and ranges out of bytes that nobody has checked yet.
// Every access goes through one of its functions; none of them can leave the bytes it was made of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "protocol/base/bytes.h"

namespace farlane::abi {

// The bytes are borrowed and must outlive the view.
// Thread: immutable.
class ByteView {
 public:
  ByteView() = default;

  explicit ByteView(ConstBytes bytes) : bytes_(bytes) {}

  ConstBytes bytes() const { return bytes_; }

  uint64_t size() const { return bytes_.size(); }

  bool Contains(uint64_t offset, uint64_t count) const {
    return offset <= bytes_.size() && count <= bytes_.size() - offset;
  }

  // Copies a T out of the bytes at `offset`, whatever its alignment there.
  template <typename T>
  std::optional<T> Read(uint64_t offset) const {
    static_assert(std::is_trivially_copyable_v<T>);
    if (!Contains(offset, sizeof(T))) {
      return std::nullopt;
    }
    T value{};
    memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  std::optional<ConstBytes> Range(uint64_t offset, uint64_t count) const {
    if (!Contains(offset, count)) {
      return std::nullopt;
    }
    return bytes_.subspan(offset, count);
  }

  // Longer names are refused, so that many names over one long text cost no quadratic time.
  static constexpr uint64_t kTextBytesMax = 1_MiB;

  // The text from `offset` up to a NUL, which must lie inside the bytes.
  std::optional<std::string_view> Text(uint64_t offset) const {
    if (offset >= bytes_.size()) {
      return std::nullopt;
    }
    const void* start = bytes_.data() + offset;
    const void* end = memchr(start, 0, std::min(bytes_.size() - offset, kTextBytesMax));
    if (end == nullptr) {
      return std::nullopt;
    }
    return std::string_view(
        static_cast<const char*>(start),
        static_cast<size_t>(static_cast<const char*>(end) - static_cast<const char*>(start)));
  }

 private:
  ConstBytes bytes_;
};

}  // namespace farlane::abi
