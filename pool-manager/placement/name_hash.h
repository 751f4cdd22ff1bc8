// SPDX-License-Identifier: Apache-2.0
// NameHash makes one number of a name; it is the same in every process and every run, so that two
// managers put the same program in the same place. Not for secrets.
#pragma once

#include <cstdint>
#include <string_view>

namespace farlane::pool {

// Spreads the bits of a number (splitmix64's last step).
constexpr uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// FNV-1a, mixed. Never 0, which stands for "no name".
constexpr uint64_t NameHash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char letter : name) {
    hash = (hash ^ static_cast<uint8_t>(letter)) * 0x100000001b3ULL;
  }
  hash = MixBits(hash);
  return hash == 0 ? 1 : hash;
}

constexpr uint64_t JoinHashes(uint64_t one, uint64_t other) {
  return MixBits(one * 0x9e3779b97f4a7c15ULL + other);
}

}  // namespace farlane::pool
