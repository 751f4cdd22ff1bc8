// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/sha256.h"

#include <bit>
#include <cstring>

#include "protocol/base/sha256_instructions.h"

namespace farlane {

// FIPS 180-4, 4.2.2: fractions of the cube roots of the first 64 primes.
const uint32_t kSha256Rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

namespace {

constexpr size_t kBlockBytes = 64;

using Compressor = void (*)(Sha256State*, const std::byte*, size_t);

uint32_t BigEndian(const std::byte* bytes) {
  uint32_t word = 0;
  memcpy(&word, bytes, sizeof word);
  return __builtin_bswap32(word);
}

void CompressBlock(Sha256State* state, const std::byte* block) {
  uint32_t w[64];
  for (size_t i = 0; i < 16; ++i) {
    w[i] = BigEndian(block + 4 * i);
  }
  for (int i = 16; i < 64; ++i) {
    const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = *state;
  for (int i = 0; i < 64; ++i) {
    const uint32_t sum1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const uint32_t choice = (e & f) ^ (~e & g);
    const uint32_t t1 = h + sum1 + choice + kSha256Rounds[i] + w[i];
    const uint32_t sum0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + sum0 + majority;
  }
  const Sha256State add = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < add.size(); ++i) {
    (*state)[i] += add[i];
  }
}

void Compress(Sha256State* state, const std::byte* data, size_t blocks) {
  for (size_t i = 0; i < blocks; ++i) {
    CompressBlock(state, data + i * kBlockBytes);
  }
}

Sha256Digest DigestOf(ConstBytes data, Compressor compress) {
  Sha256State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const uint64_t bits = data.size() * 8;
  const size_t whole = data.size() / kBlockBytes;
  compress(&state, data.data(), whole);
  data = data.subspan(whole * kBlockBytes);
  std::byte tail[2 * kBlockBytes] = {};
  if (!data.empty()) {
    memcpy(tail, data.data(), data.size());
  }
  tail[data.size()] = std::byte{0x80};
  const size_t blocks = data.size() + 1 + sizeof bits <= kBlockBytes ? 1 : 2;
  const uint64_t length = __builtin_bswap64(bits);
  memcpy(tail + blocks * kBlockBytes - sizeof length, &length, sizeof length);
  compress(&state, tail, blocks);
  Sha256Digest digest;
  for (size_t i = 0; i < state.size(); ++i) {
    const uint32_t word = __builtin_bswap32(state[i]);
    memcpy(digest.data() + 4 * i, &word, sizeof word);
  }
  return digest;
}

}  // namespace

Sha256Digest Sha256(ConstBytes data) {
  return DigestOf(data, HasSha256Instructions() ? CompressByInstructions : Compress);
}

Sha256Digest Sha256Portable(ConstBytes data) {
  return DigestOf(data, Compress);
}

}  // namespace farlane
