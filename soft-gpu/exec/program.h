// SPDX-License-Identifier: Apache-2.0
// Program is a loaded PTX module: its variables lie in device memory and its kernels can be run. A
// kernel is compiled the first time it is prepared or launched; one that this device cannot run
// fails alone, the others go on. The program must outlive its launches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/exec/globals.h"
#include "soft-gpu/exec/launch.h"

namespace farlane::soft {

struct KernelParameter {
  uint32_t offset_bytes = 0;
  uint32_t size_bytes = 0;
};

// What can be asked about a kernel without reading its body.
struct KernelInfo {
  std::string name;
  std::vector<KernelParameter> parameters;
  uint32_t parameter_bytes = 0;
  uint32_t registers = 0;  // what a GPU's compiler might use; see RegisterEstimate
  uint32_t threads_max = 0;
  uint32_t ptx_version = 0;  // 90 for PTX 9.0
};

// The memory that a kernel declares.
struct KernelSizes {
  uint32_t static_shared_bytes = 0;  // of a block
  uint32_t local_bytes = 0;          // of a thread, with what the registers have no room for
};

// Thread: any, guarded.
class Program {
 public:
  // Parses everything, places the variables and sets their initial values. kInvalidArgument if
  // there is a mistake anywhere in the text.
  static Result<std::unique_ptr<Program>> Load(std::string ptx_text, GlobalPlaces& places);
  ~Program();

  std::span<const KernelInfo> kernels() const;
  std::span<const GlobalInfo> globals() const;
  std::span<const ReferenceInfo> references() const;

  // What a kernel and all it can reach need. Reads and compiles nothing: it is known since Load.
  // kExhausted: more than any device has.
  Result<KernelSizes> Measure(uint32_t kernel);
  // Compiles a kernel. kUnsupported: it uses something this device lacks; the message names opcode,
  // function and line. kCorrupt: it is not PTX.
  Status Prepare(uint32_t kernel);
  // How many kernels have been compiled here, and how many were found compiled in the cache.
  uint32_t compiled_count() const;
  uint32_t found_count() const;
  // Runs a kernel to its end.
  LaunchOutcome Launch(uint32_t kernel,
                       const LaunchShape& shape,
                       std::span<const std::byte> parameters);

 private:
  struct Contents;

  explicit Program(std::unique_ptr<Contents> contents);

  std::unique_ptr<Contents> contents_;
};

}  // namespace farlane::soft
