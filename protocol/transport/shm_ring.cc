// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/shm_ring.h"

#include <algorithm>
#include <cstring>

namespace farlane::transport {
namespace {

constexpr uint64_t kMask = kRingDataBytes - 1;
static_assert((kRingDataBytes & kMask) == 0 && sizeof(RingHeader) <= kRingHeaderBytes);

Status Lies() {
  return Status(StatusCode::kCorrupt, "the other side's index of the shared ring cannot be");
}

}  // namespace

// ---- writing

RingWriter::RingWriter(std::byte* memory)
    : header_(*reinterpret_cast<RingHeader*>(memory)), data_(memory + kRingHeaderBytes) {}

Result<size_t> RingWriter::Write(ConstBytes bytes) {
  const uint64_t written = written_.load(std::memory_order_relaxed);
  // To look costs a cache miss, so it is done when what is known is not enough.
  if (kRingDataBytes - (written - taken_) < bytes.size()) {
    const uint64_t taken = header_.taken.load(std::memory_order_acquire);
    if (written - taken > kRingDataBytes) {
      return Lies();
    }
    taken_ = taken;
  }
  const size_t count = std::min<size_t>(bytes.size(), kRingDataBytes - (written - taken_));
  if (count == 0) {
    return size_t{0};
  }
  const size_t at = written & kMask;
  const size_t first = std::min(count, kRingDataBytes - at);
  memcpy(data_ + at, bytes.data(), first);
  memcpy(data_, bytes.data() + first, count - first);
  written_.store(written + count, std::memory_order_relaxed);
  header_.written.store(written + count, std::memory_order_release);
  return count;
}

bool RingWriter::HasRoom() const {
  return written_.load(std::memory_order_relaxed) - header_.taken.load(std::memory_order_acquire) !=
         kRingDataBytes;
}

void RingWriter::End() {
  header_.ended.store(1, std::memory_order_release);
}

void RingWriter::SetSleeping(bool sleeps) {
  header_.writer_sleeps.store(sleeps ? 1 : 0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

bool RingWriter::MustWakeReader() {
  // Either this sees that the reader sleeps, or the reader's last look sees what was written.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return header_.reader_sleeps.load(std::memory_order_relaxed) != 0 &&
         header_.reader_sleeps.exchange(0) != 0;
}

// ---- reading

RingReader::RingReader(std::byte* memory)
    : header_(*reinterpret_cast<RingHeader*>(memory)), data_(memory + kRingHeaderBytes) {}

Result<size_t> RingReader::Read(Bytes into) {
  const uint64_t taken = taken_.load(std::memory_order_relaxed);
  const uint64_t there = header_.written.load(std::memory_order_acquire) - taken;
  if (there > kRingDataBytes) {
    return Lies();
  }
  writer_may_sleep_ = there >= kRingDataBytes / 2;
  const size_t count = std::min<size_t>(into.size(), there);
  if (count == 0) {
    return size_t{0};
  }
  const size_t at = taken & kMask;
  const size_t first = std::min(count, kRingDataBytes - at);
  memcpy(into.data(), data_ + at, first);
  memcpy(into.data() + first, data_, count - first);
  taken_.store(taken + count, std::memory_order_relaxed);
  header_.taken.store(taken + count, std::memory_order_release);
  return count;
}

bool RingReader::HasBytes() const {
  return header_.written.load(std::memory_order_acquire) != taken_.load(std::memory_order_relaxed);
}

bool RingReader::IsAtEnd() const {
  return header_.ended.load(std::memory_order_acquire) != 0 && !HasBytes();
}

void RingReader::SetSleeping(bool sleeps) {
  header_.reader_sleeps.store(sleeps ? 1 : 0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

// A writer sleeps when the ring is full. If less than half was there, it can only have become full
// meanwhile, and then the next read finds more than half.
bool RingReader::MustWakeWriter() {
  if (!writer_may_sleep_) {
    return false;
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return header_.writer_sleeps.load(std::memory_order_relaxed) != 0 &&
         header_.writer_sleeps.exchange(0) != 0;
}

}  // namespace farlane::transport
