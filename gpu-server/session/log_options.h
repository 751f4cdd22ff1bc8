// SPDX-License-Identifier: Apache-2.0
// LogOptions are the two logs of the driver's compiler and linker, as options of a load.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "protocol/base/bytes.h"

namespace farlane::server {

// Thread: caller's.
class LogOptions {
 public:
  explicit LogOptions(uint32_t bytes)
      : info_(std::min(bytes, kBytesMax), '\0'), error_(info_.size(), '\0') {
    if (!info_.empty()) {
      Add(CU_JIT_INFO_LOG_BUFFER, info_.data());
      Add(CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, Number(info_.size()));
      Add(CU_JIT_ERROR_LOG_BUFFER, error_.data());
      Add(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, Number(error_.size()));
    }
  }

  LogOptions(const LogOptions&) = delete;
  LogOptions& operator=(const LogOptions&) = delete;

  unsigned int count() const { return static_cast<unsigned int>(names_.size()); }

  CUjit_option* names() { return names_.data(); }

  void** values() { return values_.data(); }

  std::string Text() const {
    const std::string info(info_.c_str());
    const std::string error(error_.c_str());
    return error.empty() ? info : info.empty() ? error : error + "\n" + info;
  }

 private:
  // Options carry small numbers in the place of a pointer.
  static void* Number(size_t value) {
    void* carried = nullptr;
    memcpy(&carried, &value, sizeof carried);
    return carried;
  }

  void Add(CUjit_option name, void* value) {
    names_.push_back(name);
    values_.push_back(value);
  }

  static constexpr uint32_t kBytesMax = 64_KiB;

  std::string info_;
  std::string error_;
  std::vector<CUjit_option> names_;
  std::vector<void*> values_;
};

}  // namespace farlane::server
