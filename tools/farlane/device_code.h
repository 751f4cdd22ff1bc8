// SPDX-License-Identifier: Apache-2.0
// DeviceCode finds the device code in a file: a fatbin, a cubin, a PTX text, or a program, library
// or object file that carries fatbins. The file may be anything; whatever it says is checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/abi/fatbin.h"
#include "protocol/base/bytes.h"
#include "protocol/base/result.h"

namespace farlane::cli {

// One image for one architecture. Its bytes are borrowed from the DeviceCode it belongs to.
// Thread: immutable.
struct DeviceImage {
  abi::EntryKind kind = abi::EntryKind::kPtx;
  std::string architecture;  // "sm_90a", "compute_80"
  std::string name = {};     // of the object file it comes from; mostly empty
  bool relocatable = false;  // for linking
  abi::Compression compression = abi::Compression::kNone;
  uint64_t stored_bytes = 0;
  std::optional<abi::FatbinEntry> packed = std::nullopt;
  ConstBytes bytes = {};  // of an image that is no entry of a fatbin

  // As the compiler wrote it. A large library unpacks to much more than its size, so one at a time.
  Result<std::vector<std::byte>> Unpack() const;
};

// Thread: immutable once read.
struct DeviceCode {
  DeviceCode() = default;
  DeviceCode(DeviceCode&&) = default;
  DeviceCode& operator=(DeviceCode&&) = default;

  std::string kind;            // of the file: "program or library", "fatbin", "cubin", "PTX"
  uint64_t fatbins_count = 0;  // 0 where the file is the image itself
  std::vector<DeviceImage> images;

  std::vector<std::byte> file = {};

  static Result<DeviceCode> Read(const std::string& path);
};

}  // namespace farlane::cli
