// SPDX-License-Identifier: Apache-2.0
// How a piece of copied data travels: as it is, or as its first eight bytes when the rest repeats
// them. Memory that was cleared, or filled with one value of up to eight bytes, is not sent.
#pragma once

#include "protocol/base/bytes.h"

namespace farlane::wire {

inline constexpr size_t kRepeatedBytes = 8;

// What to send for a piece: all of it, or its first bytes if all others repeat them. Costs next to
// nothing where they do not.
ConstBytes Pack(ConstBytes piece);

// Whether what was sent is as long as a piece of `bytes` bytes is, in one way or the other.
inline bool IsPackOf(ConstBytes sent, uint64_t bytes) {
  return sent.size() == bytes || (sent.size() == kRepeatedBytes && bytes > kRepeatedBytes);
}

// Writes the bytes of the piece from `at` on. Asked of IsPackOf before; `at` and `to` lie within
// the piece.
void Unpack(ConstBytes sent, uint64_t bytes, uint64_t at, Bytes to);

}  // namespace farlane::wire
