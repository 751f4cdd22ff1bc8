// SPDX-License-Identifier: Apache-2.0
// Runs a piece of PTX in one block of threads and gives what each thread stored.
#pragma once

#include <string>
#include <vector>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {

// The body finds %t (its thread), %in (an array of all threads' 32 bytes), %my (its own 32 bytes of
// output), and registers %p1-4, %h1-9, %r1-9, %f1-9, %d1-9 and %q1-4 of b128.
inline std::string KernelOf(const std::string& body, const std::string& declarations = "") {
  return ".version 9.0\n.target sm_100\n.address_size 64\n" + declarations +
         ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
         "  .reg .pred %p<5>;\n  .reg .b16 %h<10>;\n  .reg .b32 %r<10>;\n  .reg .f32 %f<10>;\n"
         "  .reg .b64 %d<10>;\n  .reg .b128 %q<5>;\n  .reg .b32 %t;\n  .reg .b64 %in, %my;\n"
         "  mov.u32 %t, %tid.x;\n  ld.param.u64 %in, [in];\n  ld.param.u64 %my, [out];\n"
         "  mul.wide.u32 %d1, %t, 32;\n  add.u64 %my, %my, %d1;\n" +
         body + "  ret;\n}\n";
}

// 8 words of output per thread; empty if the kernel failed.
inline std::vector<uint32_t> RunThreads(const std::string& text,
                                        uint32_t threads,
                                        std::vector<uint32_t>* memory = nullptr) {
  TestDevice& device = TestDevice::Instance();
  auto* const in = device.New<uint32_t>(1024);
  if (memory != nullptr) {
    std::copy(memory->begin(), memory->end(), in);
  }
  auto* const out = device.New<uint32_t>(threads * 8);
  const std::unique_ptr<Program> program = LoadOrFail(text);
  if (program == nullptr) {
    return {};
  }
  const LaunchOutcome outcome =
      program->Launch(0, {.block = {threads, 1, 1}}, Parameters().Add(in).Add(out).bytes());
  EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  if (memory != nullptr) {
    memory->assign(in, in + memory->size());
  }
  return {out, out + threads * 8};
}

}  // namespace farlane::soft
