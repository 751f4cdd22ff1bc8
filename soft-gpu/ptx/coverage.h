// SPDX-License-Identifier: Apache-2.0
// Coverage says what a module is made of and what of it the software GPU cannot run, from the text
// alone: its opcodes with their counts, the instructions that would be refused, its kernels. It
// compiles nothing, so it never says that a kernel does run: a rare form may still be refused.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/result.h"
#include "soft-gpu/ptx/ast.h"
#include "soft-gpu/ptx/optable.h"

namespace farlane::soft::ptx {

struct OpcodeUse {
  std::string name;
  Stage stage = Stage::kS0;  // the latest of the forms used
  uint64_t count = 0;
  uint64_t lacking_count = 0;  // of them, those that are refused
};

// An instruction that is refused, by its spelling.
struct LackingUse {
  std::string text;  // "cvt.rna.tf32.f32"
  Stage stage = Stage::kS0;
  uint64_t count = 0;
  std::string function;  // where it first stands
  uint32_t line = 0;
};

struct KernelUse {
  std::string name;
  uint64_t parameters_count = 0;
  uint64_t parameter_bytes = 0;
  uint64_t shared_bytes = 0;  // static
  bool has_dynamic_shared = false;
  uint32_t registers = 0;  // estimated
  uint64_t instructions_count = 0;
  uint64_t lacking_count = 0;  // in it and what it calls
};

// Thread: immutable once made.
struct Coverage {
  std::vector<OpcodeUse> opcodes;   // most used first
  std::vector<LackingUse> lacking;  // most used first
  std::vector<KernelUse> kernels;   // as in the text
  uint64_t instructions_count = 0;
  Stage stage = Stage::kS0;  // the latest of all
};

// Fails with the first mistake in the text, as loading the module would.
Result<Coverage> CoverModule(const Module& module);

// Whether the code generator has the opcode at all.
bool IsCompiled(Opcode opcode);
// Spellings of opcodes it has that it refuses, as patterns of a shell.
std::span<const char* const> RefusedSpellings();

}  // namespace farlane::soft::ptx
