// SPDX-License-Identifier: Apache-2.0
// ImageReport is what can be said about one image of device code without a GPU: its kernels and,
// for PTX, its opcodes and those that the software GPU lacks. All texts in it can be shown: what no
// terminal should get is replaced.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "soft-gpu/ptx/coverage.h"
#include "tools/farlane/device_code.h"

namespace farlane::cli {

struct KernelReport {
  std::string name;
  uint64_t parameters_count = 0;
  uint64_t parameter_bytes = 0;
  uint64_t shared_bytes = 0;
  bool has_dynamic_shared = false;       // PTX says so; machine code does not
  std::optional<uint64_t> registers;     // estimated for PTX
  std::optional<uint64_t> instructions;  // of PTX, with what the kernel calls
  uint64_t lacking_count = 0;
};

// Thread: immutable once made.
struct ImageReport {
  std::string kind;  // "PTX", "cubin", "link-time code"
  const DeviceImage* image = nullptr;
  std::string name;  // of the object file, as it can be shown
  uint64_t plain_bytes = 0;
  std::string problem;  // why nothing more is known; else empty
  std::vector<KernelReport> kernels;
  std::optional<soft::ptx::Coverage> coverage;  // of PTX
};

// The report borrows the image.
ImageReport Report(const DeviceImage& image);

std::string CompressionName(abi::Compression compression);

}  // namespace farlane::cli
