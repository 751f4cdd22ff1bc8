// SPDX-License-Identifier: Apache-2.0
// What `farlane bench` copies: bytes that nothing makes fewer, so that what is counted has gone
// over the wire.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>

namespace farlane::cli {

inline void FillWithNoise(char* data, size_t bytes) {
  std::mt19937_64 noise(1);
  for (size_t at = 0; at + sizeof(uint64_t) <= bytes; at += sizeof(uint64_t)) {
    const uint64_t word = noise();
    memcpy(data + at, &word, sizeof word);
  }
}

}  // namespace farlane::cli
