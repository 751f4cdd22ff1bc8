// SPDX-License-Identifier: Apache-2.0
// JitEngine turns a kernel's PTX into machine code of this CPU, or finds it ready in a store. What
// it returns stays valid until the engine is destroyed; nothing in it knows addresses of device
// memory or of the runtime: the first come in BlockFrame, the second are filled in when the code is
// loaded.
#pragma once

#include <memory>
#include <span>

#include "protocol/base/result.h"
#include "soft-gpu/jit/block_frame.h"
#include "soft-gpu/jit/code_store.h"
#include "soft-gpu/jit/kernel_source.h"
#include "soft-gpu/jit/runtime_function.h"

namespace farlane::soft::jit {

// Where instructions lie.
struct CodeRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// The machine code of one kernel; one of the three ways to run it.
struct Routine {
  using RunBlock = void (*)(const BlockFrame*);
  using RunThread = void (*)(const BlockFrame*, ThreadFrame*);
  using StartThread = uint64_t (*)(const BlockFrame*, ThreadFrame*, void* frame);

  RunBlock run_block = nullptr;  // all threads of a block one after another; null if they can wait
  RunThread run_thread = nullptr;  // one thread on a stack of its own, where it waits for others
  // One thread up to where it first waits. Its frame then starts with the address of a
  // void(void* frame) that runs it up to where it waits next.
  StartThread start_thread = nullptr;
  uint64_t frame_bytes = 0;  // what start_thread needs
  uint64_t frame_align_bytes = 0;
  CodeRange code;         // all functions of the kernel
  bool was_kept = false;  // found in the store, not compiled

  bool can_wait() const { return run_block == nullptr; }
};

// Thread: caller's.
struct EngineOptions {
  CodeStore* store_or_null = nullptr;  // must outlive the engine
  bool check = false;                  // kernels ask the runtime about every access
  bool has_rights = false;             // kernels look for their right to each frame
  bool fibers_only = false;            // no thread is a coroutine
};

// Thread: any; compiles one kernel at a time.
class JitEngine {
 public:
  static Result<std::unique_ptr<JitEngine>> Create(std::span<const RuntimeFunction> functions,
                                                   const EngineOptions& options);
  ~JitEngine();

  // kUnsupported names the opcode, the function and the line that this engine cannot translate.
  Result<Routine> Compile(const KernelSource& source);

 private:
  struct Machinery;
  explicit JitEngine(std::unique_ptr<Machinery> machinery);

  std::unique_ptr<Machinery> machinery_;
};

}  // namespace farlane::soft::jit
