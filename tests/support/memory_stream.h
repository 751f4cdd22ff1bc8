// SPDX-License-Identifier: Apache-2.0
// MemoryStream is a Stream without a peer: what is written piles up, what is to be read is put
// there by the test, and both can be made to go in portions.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "protocol/transport/stream.h"

namespace farlane::testing {

// Thread: caller's.
class MemoryStream final : public transport::Stream {
 public:
  Result<size_t> Write(std::span<const iovec> parts) override {
    if (broken) {
      return Status(StatusCode::kUnavailable, "the connection is lost");
    }
    size_t taken = 0;
    for (const iovec& part : parts) {
      const size_t bytes = std::min({part.iov_len, write_room - taken, write_each - taken});
      const auto* from = static_cast<const std::byte*>(part.iov_base);
      written.insert(written.end(), from, from + bytes);
      taken += bytes;
    }
    write_room -= taken;
    return taken;
  }

  Result<transport::Transfer> Read(Bytes into) override {
    const size_t bytes = std::min({into.size(), unread.size() - read_at, read_each});
    if (bytes != 0) {
      memcpy(into.data(), unread.data() + read_at, bytes);
    }
    read_at += bytes;
    return transport::Transfer{.bytes = bytes, .closed = bytes == 0 && closed};
  }

  Result<bool> Wait(transport::Interest, transport::Deadline) override { return true; }

  void Shutdown() override { closed = true; }

  int WaitFd() const override { return -1; }

  const char* name() const override { return "memory"; }

  static constexpr size_t kNoLimit = std::numeric_limits<size_t>::max() / 2;

  std::vector<std::byte> written;
  size_t write_room = kNoLimit;  // taken before it would have to wait
  size_t write_each = kNoLimit;  // at most so much at once
  bool broken = false;

  std::vector<std::byte> unread;
  size_t read_at = 0;
  size_t read_each = kNoLimit;
  bool closed = false;
};

}  // namespace farlane::testing
