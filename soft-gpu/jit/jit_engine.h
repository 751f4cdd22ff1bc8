// SPDX-License-Identifier: Apache-2.0
// JitEngine turns a kernel's PTX into machine code of this CPU. What it returns stays valid until
// the engine is destroyed; nothing in it knows addresses of device memory, those come in
// BlockFrame.
#pragma once

#include <memory>
#include <span>

#include "protocol/base/result.h"
#include "soft-gpu/jit/block_frame.h"
#include "soft-gpu/jit/kernel_source.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {

// The machine code of one kernel.
struct Routine {
  using RunBlock = void (*)(const BlockFrame*);
  using RunThread = void (*)(const BlockFrame*, ThreadFrame*);

  RunBlock run_block = nullptr;  // all threads of a block one after another; null if they can wait
  RunThread run_thread = nullptr;  // one thread, which may wait for others; null if it never does
};

// Thread: any; compiles one kernel at a time.
class JitEngine {
 public:
  static Result<std::unique_ptr<JitEngine>> Create(std::span<const RuntimeFunction> functions);
  ~JitEngine();

  // kUnsupported names the opcode, the function and the line that this engine cannot translate.
  Result<Routine> Compile(const KernelSource& source);

 private:
  struct Machinery;
  explicit JitEngine(std::unique_ptr<Machinery> machinery);

  std::unique_ptr<Machinery> machinery_;
};

}  // namespace farlane::soft::jit
