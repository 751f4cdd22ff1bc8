// SPDX-License-Identifier: Apache-2.0
// One direction of a shared-memory connection: a ring of bytes in memory that both processes can
// write. The other side is not trusted: its index is read once, compared with what is possible, and
// only then used; our own index is kept in private memory, and what is shared is a copy of it.
// Bytes are copied out before anybody looks at them, so they cannot change under a check.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::transport {

// As it lies in shared memory, at the start of the ring. Indices count bytes and never wrap. What
// one side changes with each message and the other looks at rarely has a cache line of its own.
struct RingHeader {
  alignas(64) std::atomic<uint64_t> written{0};
  std::atomic<uint32_t> writer_sleeps{0};  // it wants to hear that there is room
  std::atomic<uint32_t> ended{0};          // it writes nothing more
  alignas(64) std::atomic<uint64_t> taken{0};
  alignas(64) std::atomic<uint32_t> reader_sleeps{0};  // it wants to hear that there is something
};

static_assert(std::atomic<uint64_t>::is_always_lock_free);

inline constexpr size_t kRingHeaderBytes = 4096;
inline constexpr size_t kRingDataBytes = 2_MiB;  // a power of two
inline constexpr size_t kRingBytes = kRingHeaderBytes + kRingDataBytes;

// The writing end. Thread: one at a time; HasRoom any, while another may write.
class RingWriter {
 public:
  explicit RingWriter(std::byte* memory);

  // Copies what fits and says how much. kCorrupt: the reader claims what cannot be.
  Result<size_t> Write(ConstBytes bytes);
  // Whether there is room, or something wrong that Write will tell.
  bool HasRoom() const;
  void End();

  // Around a sleep: after true has been set, look once more before sleeping.
  void SetSleeping(bool sleeps);
  // After writing: whether the reader sleeps and must be woken.
  bool MustWakeReader();

 private:
  RingHeader& header_;
  std::byte* const data_;
  std::atomic<uint64_t> written_{0};
  uint64_t taken_ = 0;  // as it was when there was too little room last
};

// The reading end. Thread: one at a time; HasBytes any, while another may read.
class RingReader {
 public:
  explicit RingReader(std::byte* memory);

  // Copies what is there. kCorrupt: the writer claims what cannot be.
  Result<size_t> Read(Bytes into);
  // Whether there is something, or something wrong that Read will tell.
  bool HasBytes() const;
  // Nothing will come any more.
  bool IsAtEnd() const;

  void SetSleeping(bool sleeps);
  // After reading: whether the writer sleeps and must be woken.
  bool MustWakeWriter();

 private:
  RingHeader& header_;
  const std::byte* const data_;
  std::atomic<uint64_t> taken_{0};
  bool writer_may_sleep_ = false;  // by the last read
};

}  // namespace farlane::transport
