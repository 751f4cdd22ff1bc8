// SPDX-License-Identifier: Apache-2.0
// Unpacks the payload of a fatbin entry. Sizes in its header are claims until the codec agrees.
#include <string>

#include <lz4.h>
#include <zstd.h>

#include "protocol/abi/fatbin.h"

namespace farlane::abi {
namespace {

// No LZ4 block unpacks to more than this many times its size.
constexpr uint64_t kLz4RatioMax = 255;

Status Disagrees(const FatbinEntry& entry) {
  return Status(StatusCode::kCorrupt, "a fatbin entry of " + std::to_string(entry.stored.size()) +
                                          " packed bytes does not unpack to " +
                                          std::to_string(entry.unpacked_bytes));
}

Result<std::vector<std::byte>> UnpackZstd(const FatbinEntry& entry) {
  // Asked before memory is taken: the frame itself must claim the same size.
  if (ZSTD_getFrameContentSize(entry.stored.data(), entry.stored.size()) != entry.unpacked_bytes) {
    return Disagrees(entry);
  }
  std::vector<std::byte> plain(entry.unpacked_bytes);
  const size_t written =
      ZSTD_decompress(plain.data(), plain.size(), entry.stored.data(), entry.stored.size());
  if (written != plain.size()) {  // error codes of zstd are sizes that no buffer has
    return Disagrees(entry);
  }
  return plain;
}

Result<std::vector<std::byte>> UnpackLz4(const FatbinEntry& entry) {
  if (entry.unpacked_bytes > kLz4RatioMax * entry.stored.size() ||
      entry.stored.size() > LZ4_MAX_INPUT_SIZE) {
    return Disagrees(entry);
  }
  std::vector<std::byte> plain(entry.unpacked_bytes);
  const void* from = entry.stored.data();
  void* to = plain.data();
  const int written =
      LZ4_decompress_safe(static_cast<const char*>(from), static_cast<char*>(to),
                          static_cast<int>(entry.stored.size()), static_cast<int>(plain.size()));
  if (written < 0 || static_cast<uint64_t>(written) != plain.size()) {
    return Disagrees(entry);
  }
  return plain;
}

}  // namespace

Result<std::vector<std::byte>> Unpack(const FatbinEntry& entry) {
  if (entry.unpacked_bytes > kUnpackedBytesMax) {
    return Status(StatusCode::kExhausted, "a fatbin entry claims to unpack to " +
                                              std::to_string(entry.unpacked_bytes) + " bytes");
  }
  switch (entry.compression) {
    case Compression::kNone:
      return std::vector<std::byte>(entry.stored.begin(), entry.stored.end());
    case Compression::kLz4:
      return UnpackLz4(entry);
    case Compression::kZstd:
      return UnpackZstd(entry);
    case Compression::kUnknown:
      break;
  }
  return Status(StatusCode::kUnsupported, "a fatbin entry is packed in a way that is not known");
}

}  // namespace farlane::abi
