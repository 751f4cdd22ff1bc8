// SPDX-License-Identifier: Apache-2.0
// A KernelModule is the LLVM code of one kernel: its entry and all functions it calls. For a kernel
// whose threads never wait the entry runs a whole block, for another one thread. Before it is
// optimised it is the same, bit by bit, whenever it is built from the same kernel.
#pragma once

#include <memory>
#include <string>

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

#include "protocol/base/result.h"
#include "soft-gpu/jit/kernel_source.h"

namespace farlane::soft::jit {

// The context must outlive the module, hence their order.
// Thread: caller's.
struct KernelModule {
  std::unique_ptr<llvm::LLVMContext> context;
  std::unique_ptr<llvm::Module> module;
  bool is_coroutine = false;  // the entry starts one thread; see coroutine.h
};

// What is looked at before an access, beside the bounds of its space.
struct AccessRules {
  bool check = false;       // the runtime is asked about each
  bool has_rights = false;  // the frame must be one that the grid has a right to
};

// How threads that wait are made.
enum class Waiting {
  kOnFibers,      // each has a processor stack of its own
  kAsCoroutines,  // where that can be done
};

// `name` becomes the only visible symbol.
Result<KernelModule> BuildKernelModule(const KernelSource& source,
                                       const std::string& name,
                                       llvm::TargetMachine& machine,
                                       const AccessRules& rules,
                                       Waiting waiting);

void Optimise(llvm::Module& module, llvm::TargetMachine& machine);

}  // namespace farlane::soft::jit
