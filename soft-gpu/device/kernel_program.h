// SPDX-License-Identifier: Apache-2.0
// KernelProgram is a module's code as the device runs it: either compiled from PTX, or, in null
// mode, only its shape. Its variables have addresses in device memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/module_index.h"
#include "soft-gpu/device/code_image.h"
#include "soft-gpu/device/device_memory.h"
#include "soft-gpu/exec/frame_rights.h"
#include "soft-gpu/exec/launch.h"

namespace farlane::soft {

constexpr uint32_t kThreadsPerBlockMax = 1024;

struct KernelFacts {
  std::string name;
  std::vector<abi::KernelParameter> parameters;
  uint32_t parameter_bytes = 0;
  uint32_t registers = 32;
  uint32_t threads_max = kThreadsPerBlockMax;
};

struct KernelMemory {
  uint32_t static_shared_bytes = 0;
  uint32_t local_bytes = 0;
};

struct VariableFacts {
  std::string name;
  uint64_t address = 0;
  uint64_t size_bytes = 0;
  bool constant = false;
  bool managed = false;
};

struct ReferenceFacts {
  std::string name;
  uint32_t variable = 0;  // of the program
  bool is_surface = false;
};

struct BoundReferences;

struct GridShape {
  uint32_t grid[3] = {1, 1, 1};
  uint32_t block[3] = {1, 1, 1};
  uint32_t dynamic_shared_bytes = 0;
  bool cooperative = false;
  uint64_t stack_bytes = kStackBytesDefault;  // for recursion and alloca, of each thread
  uint32_t rights = kEveryRight;              // to memory of devices
  std::shared_ptr<const BoundReferences> references = nullptr;  // shared; null: none is bound
  uint32_t processors = 0;                                      // of a green context; 0: all, of
  uint32_t processors_there = 0;
};

// A result of the API, and where it is not success, a sentence for the log.
struct Outcome {
  CUresult result = CUDA_SUCCESS;
  std::string problem;
};

// Thread: any.
class KernelProgram {
 public:
  virtual ~KernelProgram() = default;

  virtual std::span<const KernelFacts> kernels() const = 0;
  virtual std::span<const VariableFacts> variables() const = 0;
  virtual std::span<const ReferenceFacts> references() const = 0;
  // Makes a kernel ready to run; waits for the compiler the first time.
  virtual Outcome Prepare(uint32_t kernel) = 0;
  // What a kernel needs besides its parameters; compiles nothing.
  virtual KernelMemory MemoryOf(uint32_t kernel) = 0;
  // How many kernels were made ready.
  virtual uint32_t compiled_count() const = 0;
  // False if launches do nothing, so that they need not be submitted.
  virtual bool runs() const = 0;
  // Runs a grid to its end.
  virtual Outcome Launch(uint32_t kernel,
                         const GridShape& shape,
                         std::span<const std::byte> parameters) = 0;
};

class ContextHeap;

// Where a program's variables are put.
struct ProgramPlace {
  DeviceMemory* memory = nullptr;
  int device = 0;
  uint64_t context = 0;
  std::shared_ptr<ContextHeap> heap;  // what its kernels' malloc takes from; may be null
};

struct LoadedProgram {
  Outcome outcome;
  std::unique_ptr<KernelProgram> program;
};

LoadedProgram LoadNullProgram(const CodeImage& code, const ProgramPlace& place);
LoadedProgram LoadJitProgram(const CodeImage& code, const ProgramPlace& place);

}  // namespace farlane::soft
