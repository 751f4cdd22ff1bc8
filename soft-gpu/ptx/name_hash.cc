// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/name_hash.h"

#include <cstdint>
#include <cstring>

#include <sys/random.h>

namespace farlane::soft::ptx {

namespace {

struct Secret {
  uint64_t first;
  uint64_t second;
};

Secret MakeSecret() {
  Secret secret{0x9e3779b97f4a7c15, 0xd1b54a32d192ed03};
  // Never waits: a process too early for randomness still gets a hash that works.
  Secret random{};
  if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == sizeof(random)) {
    secret.first ^= random.first;
    secret.second ^= random.second;
  }
  secret.first |= 1;  // a zero factor would swallow its input
  secret.second |= 1;
  return secret;
}

uint64_t Mix(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

}  // namespace

size_t NameHash::operator()(std::string_view name) const {
  static const Secret secret = MakeSecret();
  uint64_t hash = secret.first ^ name.size();
  while (name.size() > 8) {
    uint64_t word = 0;
    std::memcpy(&word, name.data(), 8);
    hash = Mix(hash ^ word, secret.second);
    name.remove_prefix(8);
  }
  uint64_t word = 0;
  if (!name.empty()) {  // an unnamed parameter's name has no address
    std::memcpy(&word, name.data(), name.size());
  }
  return Mix(Mix(hash ^ word, secret.second), secret.first);
}

}  // namespace farlane::soft::ptx
