// SPDX-License-Identifier: Apache-2.0
#include "protocol/wire/packed_bytes.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace farlane::wire {
namespace {

// Less is sent as fast as it is looked at.
constexpr size_t kPackBytesMin = 512;

bool Repeats(ConstBytes piece) {
  const std::byte* const first = piece.data();
  // Two looks tell most pieces that differ, wherever they begin to.
  for (const size_t at : {piece.size() / 2, piece.size() - kRepeatedBytes}) {
    std::array<std::byte, kRepeatedBytes> due;
    for (size_t i = 0; i < due.size(); ++i) {
      due[i] = first[(at + i) % kRepeatedBytes];
    }
    if (memcmp(first + at, due.data(), due.size()) != 0) {
      return false;
    }
  }
  return memcmp(first, first + kRepeatedBytes, piece.size() - kRepeatedBytes) == 0;
}

}  // namespace

ConstBytes Pack(ConstBytes piece) {
  return piece.size() >= kPackBytesMin && Repeats(piece) ? piece.first(kRepeatedBytes) : piece;
}

void Unpack(ConstBytes sent, uint64_t bytes, uint64_t at, Bytes to) {
  if (to.empty()) {
    return;
  }
  if (sent.size() == bytes) {
    memcpy(to.data(), sent.data() + at, to.size());
    return;
  }
  if (std::all_of(sent.begin(), sent.end(), [&](std::byte byte) { return byte == sent[0]; })) {
    memset(to.data(), static_cast<int>(sent[0]), to.size());
    return;
  }
  std::array<std::byte, kRepeatedBytes> unit;
  for (size_t i = 0; i < unit.size(); ++i) {
    unit[i] = sent[(at + i) % kRepeatedBytes];
  }
  const size_t whole = to.size() / unit.size() * unit.size();
  for (size_t i = 0; i < whole; i += unit.size()) {
    memcpy(to.data() + i, unit.data(), unit.size());
  }
  memcpy(to.data() + whole, unit.data(), to.size() - whole);
}

}  // namespace farlane::wire
