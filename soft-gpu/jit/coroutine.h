// SPDX-License-Identifier: Apache-2.0
// A kernel whose threads wait can be made of coroutines: a thread that has to wait returns to
// whoever runs it, and what it still needs lies in a frame of a few words. Many frames fit where
// one processor stack would be, and going from thread to thread is a return and a call.
// All functions in which a thread may wait become one for it, so recursion cannot be made so.
#pragma once

#include <cstdint>
#include <string>

#include <llvm/IR/Module.h>
#include <llvm/IR/PassManager.h>

namespace farlane::soft::jit {

constexpr uint32_t kFrameAlignBytes = 64;  // each frame starts on a line of the cache

// What the frame of one thread takes.
// Thread: caller's.
struct FrameNeed {
  uint64_t bytes = 0;
  uint64_t align_bytes = kFrameAlignBytes;

  static constexpr unsigned kAlignShift = 48;

  static FrameNeed Unpack(uint64_t packed) {
    const uint64_t align_bytes = packed >> kAlignShift;
    return {packed & ((uint64_t{1} << kAlignShift) - 1),
            align_bytes > kFrameAlignBytes ? align_bytes : kFrameAlignBytes};
  }
};

// Makes `body`, the void function of one thread, the coroutine `name`:
//   uint64_t name(const BlockFrame*, ThreadFrame*, void* frame)
// Without a frame it says what a frame needs, see FrameNeed, and does nothing. With one it runs the
// thread up to where it first waits, and gives back the frame's address. The frame starts with the
// address of void(void* frame), which goes on from there. Null if that cannot be done; nothing is
// changed then.
llvm::Function* MakeCoroutineOrNull(llvm::Module& module,
                                    llvm::Function& body,
                                    const std::string& name);

// Tells LLVM that nothing else reaches a frame, so that what is read from it need not be read again
// after each store; but not where variables lie in it whose address the thread may keep. To be run
// both before the cut into pieces and between it and the passes that make use of it.
// Thread: the compiling one.
class CoroutineFramePass : public llvm::PassInfoMixin<CoroutineFramePass> {
 public:
  llvm::PreservedAnalyses run(llvm::Function& function, llvm::FunctionAnalysisManager&);
};

// After LLVM has cut coroutines into pieces: makes the pieces functions that C++ may call.
void FreeCoroutines(llvm::Module& module);

}  // namespace farlane::soft::jit
