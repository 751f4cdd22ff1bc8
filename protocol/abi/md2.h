// SPDX-License-Identifier: Apache-2.0
// The MD2 message digest (RFC 1319) and HMAC over it (RFC 2104).
// MD2 protects nothing any more. It is here because the CUDA runtime compares an HMAC-MD2 of its
// own with the driver's (integrity.h); nothing else may use it.
#pragma once

#include <array>
#include <cstdint>

#include "protocol/base/bytes.h"

namespace farlane::abi {

inline constexpr size_t kMd2Bytes = 16;  // the digest; also MD2's block, which HMAC builds on
using Md2Digest = std::array<uint8_t, kMd2Bytes>;

// Digests a message given in pieces.
// Thread: caller's.
class Md2 {
 public:
  void Add(ConstBytes piece);
  // The digest of all that was added. The object is used up.
  Md2Digest Finish();

 private:
  void Compress();

  std::array<uint8_t, 3 * kMd2Bytes>
      state_{};  // RFC 1319 calls it X; its first third is the digest
  std::array<uint8_t, kMd2Bytes> checksum_{};
  std::array<uint8_t, kMd2Bytes> block_{};
  uint8_t block_fill_ = 0;
};

// The key is exactly one block long, so it is used as it is.
Md2Digest HmacMd2(const std::array<uint8_t, kMd2Bytes>& key, ConstBytes message);

}  // namespace farlane::abi
