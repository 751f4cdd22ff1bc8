// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/paced_stream.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

using transport::Interest;

// A write of more parts is done in several.
constexpr size_t kPartsMax = 64;

size_t BytesOf(std::span<const iovec> parts) {
  size_t bytes = 0;
  for (const iovec& part : parts) {
    bytes += part.iov_len;
  }
  return bytes;
}

}  // namespace

bool GoesOverNetwork(const transport::Stream& stream) {
  return strcmp(stream.name(), "tcp") == 0 || strcmp(stream.name(), "tls") == 0;
}

Result<size_t> PacedStream::Write(std::span<const iovec> parts) {
  std::array<iovec, kPartsMax> fewer;
  if (gate_.has_rate(NetDirection::kOut)) {
    size_t left = gate_.Allow(NetDirection::kOut, BytesOf(parts), NowNs());
    size_t count = 0;
    for (; count < std::min(parts.size(), kPartsMax) && left != 0; ++count) {
      fewer[count] = parts[count];
      fewer[count].iov_len = std::min(fewer[count].iov_len, left);
      left -= fewer[count].iov_len;
    }
    if (count == 0 && !parts.empty()) {
      return size_t{0};
    }
    parts = std::span<const iovec>(fewer.data(), count);
  }
  FARLANE_ASSIGN(const size_t taken, stream_.Write(parts));
  gate_.NoteMoved(NetDirection::kOut, taken);
  return taken;
}

Result<transport::Transfer> PacedStream::Read(Bytes into) {
  if (gate_.has_rate(NetDirection::kIn)) {
    into = into.first(gate_.Allow(NetDirection::kIn, into.size(), NowNs()));
    if (into.empty()) {
      return transport::Transfer{};
    }
  }
  FARLANE_ASSIGN(const transport::Transfer read, stream_.Read(into));
  gate_.NoteMoved(NetDirection::kIn, read.bytes);
  return read;
}

// Nobody on this side waits so for bulk data.
Result<bool> PacedStream::Wait(Interest what, transport::Deadline until) {
  return stream_.Wait(what, until);
}

// What the stream may be waited for: the rest is waited for by the clock.
std::optional<Interest> PacedStream::Unblocked(Interest what) const {
  const uint64_t now_ns = NowNs();
  const bool reads = what != Interest::kWrite && gate_.BlockedUntil(NetDirection::kIn) <= now_ns;
  const bool writes = what != Interest::kRead && gate_.BlockedUntil(NetDirection::kOut) <= now_ns;
  if (!reads && !writes) {
    return std::nullopt;
  }
  return reads && writes ? Interest::kReadOrWrite : reads ? Interest::kRead : Interest::kWrite;
}

bool PacedStream::BeginWait(Interest what) {
  awaited_ = Unblocked(what);
  return !awaited_.has_value() || stream_.BeginWait(*awaited_);
}

void PacedStream::EndWait(Interest /*what*/) {
  if (awaited_.has_value()) {
    stream_.EndWait(*awaited_);
  }
}

short PacedStream::WaitEvents(Interest /*what*/) const {
  return awaited_.has_value() ? stream_.WaitEvents(*awaited_) : short{0};
}

// Whichever comes first of those that are not waited for by the stream.
uint64_t PacedStream::WaitUntil(Interest what) const {
  uint64_t until_ns = UINT64_MAX;
  const bool reads = awaited_.has_value() && *awaited_ != Interest::kWrite;
  const bool writes = awaited_.has_value() && *awaited_ != Interest::kRead;
  if (what != Interest::kWrite && !reads) {
    until_ns = std::min(until_ns, gate_.BlockedUntil(NetDirection::kIn));
  }
  if (what != Interest::kRead && !writes) {
    until_ns = std::min(until_ns, gate_.BlockedUntil(NetDirection::kOut));
  }
  return until_ns;
}

}  // namespace farlane::server
