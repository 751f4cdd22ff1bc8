// SPDX-License-Identifier: Apache-2.0
// DeviceModel says how long work takes on a device that is modelled: kernels by their number of
// blocks, copies by their bytes. What it says is time of the device, not of this machine's
// processors.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/base/result.h"

namespace farlane::soft {

// What a device has that works beside the rest of it. Each does one piece of work after another.
enum class Engine : uint8_t {
  kCompute,  // kernels, fills, copies inside the device
  kCopyIn,   // copies to the device
  kCopyOut,  // copies from it
};

constexpr uint32_t kEngineCount = 3;  // of each device

// For how long a piece of work has an engine.
struct EngineLoad {
  Engine engine = Engine::kCompute;
  uint64_t ns = 0;
};

// Thread: immutable.
class DeviceModel {
 public:
  // No load is longer than an hour.
  static constexpr uint64_t kLoadNsMax = 3'600'000'000'000;

  // "kernel=20us,block=1us,copy_in=12GB/s,copy_out=12GB/s,memory=500GB/s": what each kernel takes,
  // and each block of it; the speed of copies in and out, and of fills and copies inside. What is
  // not named takes no time.
  static Result<DeviceModel> Parse(std::string_view text);

  EngineLoad OfKernel(const uint32_t (&grid)[3]) const;
  EngineLoad OfCopy(Engine engine, uint64_t bytes) const;

 private:
  Status ReadRule(std::string_view rule);

  uint64_t kernel_ns_ = 0;
  uint64_t block_ns_ = 0;
  uint64_t bytes_per_second_[kEngineCount] = {};  // by engine; 0: no time
};

}  // namespace farlane::soft
