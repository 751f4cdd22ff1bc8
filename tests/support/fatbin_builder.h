// SPDX-License-Identifier: Apache-2.0
// FatbinBuilder makes fatbins for tests, entry by entry, without a compiler.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <lz4.h>
#include <zstd.h>

#include "protocol/base/bytes.h"

namespace farlane::support {

inline constexpr uint16_t kPtxEntry = 1;
inline constexpr uint16_t kElfEntry = 2;
inline constexpr uint16_t kLtoEntry = 8;
inline constexpr uint64_t kLz4Flag = 0x2000;
inline constexpr uint64_t kZstdFlag = 0x8000;
inline constexpr uint64_t kExactFlag = 0x100000;
inline constexpr uint64_t kFamilyFlag = 0x200000;

// One entry; flags say how the payload is to be packed.
struct FatbinPart {
  uint16_t kind;
  uint32_t architecture;
  uint64_t flags = 0;
  std::vector<std::byte> payload = {};
  std::string_view name = {};
};

inline std::vector<std::byte> BytesOf(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

template <typename T>
void Put(std::vector<std::byte>* bytes, uint64_t offset, T value) {
  memcpy(bytes->data() + offset, &value, sizeof value);
}

// Thread: caller's.
class FatbinBuilder {
 public:
  FatbinBuilder& Add(const FatbinPart& part) {
    const std::vector<std::byte> stored = Pack(part);
    const bool packed = (part.flags & (kLz4Flag | kZstdFlag)) != 0;
    const uint64_t header_bytes = RoundUp(64 + part.name.size(), 8);
    const uint64_t payload_bytes = RoundUp(stored.size(), 8);
    std::vector<std::byte> entry(header_bytes + payload_bytes);
    Put<uint16_t>(&entry, 0, part.kind);
    Put<uint16_t>(&entry, 2, 0x0101);
    Put<uint32_t>(&entry, 4, static_cast<uint32_t>(header_bytes));
    Put<uint64_t>(&entry, 8, payload_bytes);
    Put<uint32_t>(&entry, 16, packed ? static_cast<uint32_t>(stored.size()) : 0);
    Put<uint32_t>(&entry, 28, part.architecture);
    Put<uint32_t>(&entry, 32, part.name.empty() ? 0 : 64);
    Put<uint32_t>(&entry, 36, static_cast<uint32_t>(part.name.size()));
    Put<uint64_t>(&entry, 40, part.flags);
    Put<uint64_t>(&entry, 56, packed ? part.payload.size() : 0);
    const std::vector<std::byte> name = BytesOf(part.name);
    std::copy(name.begin(), name.end(), entry.begin() + 64);
    std::copy(stored.begin(), stored.end(), entry.begin() + static_cast<long>(header_bytes));
    entries_.insert(entries_.end(), entry.begin(), entry.end());
    return *this;
  }

  std::vector<std::byte> Build() const {
    std::vector<std::byte> fatbin(16 + entries_.size());
    Put<uint32_t>(&fatbin, 0, 0xba55ed50);
    Put<uint16_t>(&fatbin, 4, 1);
    Put<uint16_t>(&fatbin, 6, 16);
    Put<uint64_t>(&fatbin, 8, entries_.size());
    std::copy(entries_.begin(), entries_.end(), fatbin.begin() + 16);
    return fatbin;
  }

 private:
  static std::vector<std::byte> Pack(const FatbinPart& part) {
    if ((part.flags & kZstdFlag) != 0) {
      std::vector<std::byte> packed(ZSTD_compressBound(part.payload.size()));
      packed.resize(
          ZSTD_compress(packed.data(), packed.size(), part.payload.data(), part.payload.size(), 3));
      return packed;
    }
    if ((part.flags & kLz4Flag) != 0) {
      const int plain_bytes = static_cast<int>(part.payload.size());
      std::vector<std::byte> packed(static_cast<size_t>(LZ4_compressBound(plain_bytes)));
      const void* from = part.payload.data();
      void* to = packed.data();
      packed.resize(static_cast<size_t>(LZ4_compress_default(static_cast<const char*>(from),
                                                             static_cast<char*>(to), plain_bytes,
                                                             static_cast<int>(packed.size()))));
      return packed;
    }
    return part.payload;
  }

  std::vector<std::byte> entries_;
};

}  // namespace farlane::support
