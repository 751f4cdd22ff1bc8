// SPDX-License-Identifier: Apache-2.0
// BusyLog is the record of what a modelled device's engines have done: a line for each occupation
// of an engine, with the process that had it and from when to when, by the device's clock. Shares
// of a device's time can be judged by it without believing whoever has measured them.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "soft-gpu/device/device_model.h"

namespace farlane::soft {

// Thread: any. Processes write to the same file, each line whole.
class BusyLog {
 public:
  static Result<BusyLog> Open(const std::string& path);

  struct Line {
    uint32_t device = 0;
    Engine engine = Engine::kCompute;
    int32_t pid = 0;
    uint64_t start_ns = 0;
    uint64_t end_ns = 0;
  };

  // "0 compute 4711 17000 37000": device, engine, process, from when to when in nanoseconds.
  void Write(const Line& line) const;

 private:
  explicit BusyLog(Fd file) : file_(std::move(file)) {}

  Fd file_;
};

}  // namespace farlane::soft
