// SPDX-License-Identifier: Apache-2.0
// What a report says about opcodes is what the code generator does.
#include "soft-gpu/jit/compiled_opcodes.h"

#include <gtest/gtest.h>

#include "soft-gpu/ptx/coverage.h"

namespace farlane::soft::jit {
namespace {

TEST(CompiledOpcodes, AreThoseThatTheCoverageReportTells) {
  for (unsigned i = 1; i < static_cast<unsigned>(ptx::Opcode::kCount); ++i) {
    const auto opcode = static_cast<ptx::Opcode>(i);
    EXPECT_EQ(ptx::IsCompiled(opcode), HasEmitter(opcode))
        << NameOf(opcode) << ": see kNotCompiled in soft-gpu/ptx/coverage.cc";
  }
}

}  // namespace
}  // namespace farlane::soft::jit
