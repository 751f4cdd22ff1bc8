// SPDX-License-Identifier: Apache-2.0
// What a module's text says it needs, without a compiler.
#include "soft-gpu/ptx/coverage.h"

#include <algorithm>
#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

Coverage CoverageOf(const std::string& declarations) {
  Result<Module> module = ParseModule(ModuleText(declarations));
  EXPECT_TRUE(module.ok()) << module.error().message();
  Result<Coverage> coverage = CoverModule(*module);
  EXPECT_TRUE(coverage.ok()) << coverage.error().message();
  return coverage.ok() ? std::move(coverage).value() : Coverage();
}

const OpcodeUse* FindOrNull(const Coverage& coverage, const std::string& name) {
  const auto found = std::find_if(coverage.opcodes.begin(), coverage.opcodes.end(),
                                  [&](const OpcodeUse& use) { return use.name == name; });
  return found == coverage.opcodes.end() ? nullptr : &*found;
}

TEST(Coverage, CountsOpcodesMostUsedFirst) {
  const Coverage coverage = CoverageOf(
      ".entry k() {\n.reg .b32 %r<3>;\nadd.u32 %r1, %r2, 1;\nadd.s32 %r2, %r1, 2;\n"
      "bar.sync 0;\nret;\n}\n");

  ASSERT_EQ(coverage.opcodes.size(), 3u);
  EXPECT_EQ(coverage.opcodes[0].name, "add");
  EXPECT_EQ(coverage.opcodes[0].count, 2u);
  EXPECT_EQ(coverage.instructions_count, 4u);
  EXPECT_EQ(FindOrNull(coverage, "bar")->stage, Stage::kS1);
  EXPECT_EQ(coverage.stage, Stage::kS1);
  EXPECT_TRUE(coverage.lacking.empty());
}

TEST(Coverage, NamesWhatIsLackingAndWhereItStandsFirst) {
  const Coverage coverage = CoverageOf(
      ".entry fine() {\nret;\n}\n"
      ".entry broken() {\n.reg .b32 %r<4>;\nmovmatrix.sync.aligned.m8n8.trans.b16 %r1, %r2;\n"
      "movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r2;\nret;\n}\n");

  ASSERT_EQ(coverage.lacking.size(), 1u);
  EXPECT_EQ(coverage.lacking[0].text, "movmatrix.sync.aligned.m8n8.trans.b16");
  EXPECT_EQ(coverage.lacking[0].count, 2u);
  EXPECT_EQ(coverage.lacking[0].function, "broken");
  EXPECT_EQ(coverage.lacking[0].line, 9u);
  ASSERT_EQ(coverage.kernels.size(), 2u);
  EXPECT_EQ(coverage.kernels[0].lacking_count, 0u);
  EXPECT_EQ(coverage.kernels[1].lacking_count, 2u);
}

TEST(Coverage, RefusesASpellingOfAnOpcodeThatItHas) {
  const Coverage coverage = CoverageOf(
      ".entry k() {\n.reg .f32 %f<2>;\n.reg .b16 %h<2>;\n.reg .b32 %r<2>;\ncvt.rs.f16x2.f32 "
      "%r1, %f1, %f1, %r1;\n"
      "cvt.rn.f16.f32 %h1, %f1;\nret;\n}\n");

  ASSERT_EQ(coverage.lacking.size(), 1u);
  EXPECT_EQ(coverage.lacking[0].text, "cvt.rs.f16x2.f32");
  EXPECT_EQ(FindOrNull(coverage, "cvt")->count, 2u);
  EXPECT_EQ(FindOrNull(coverage, "cvt")->lacking_count, 1u);
}

TEST(Coverage, CountsSharedMemoryAndInstructionsOfWhatAKernelCalls) {
  const Coverage coverage = CoverageOf(
      ".shared .align 4 .b8 common[64];\n.extern .shared .align 16 .b8 dynamic[];\n"
      ".shared .align 4 .b8 others[512];\n"
      ".func callee() {\n.reg .b32 %r<2>;\nmov.u32 %r1, common;\nret;\n}\n"
      ".entry k(.param .u32 a, .param .u64 b) {\n.reg .b32 %r<2>;\n.shared .f32 own[8];\n"
      "mov.u32 %r1, dynamic;\ncall callee;\nret;\n}\n");

  ASSERT_EQ(coverage.kernels.size(), 1u);
  const KernelUse& kernel = coverage.kernels[0];
  EXPECT_EQ(kernel.shared_bytes, 64u + 32u);
  EXPECT_TRUE(kernel.has_dynamic_shared);
  EXPECT_EQ(kernel.instructions_count, 5u);
  EXPECT_EQ(kernel.parameters_count, 2u);
  EXPECT_EQ(kernel.parameter_bytes, 16u);
  EXPECT_GE(kernel.registers, 16u);
}

TEST(Coverage, FailsWhereLoadingWould) {
  Result<Module> module = ParseModule(ModuleText(".entry k() {\nadd.u32 %r1, 1;\nret;\n}\n"));

  ASSERT_TRUE(module.ok());
  EXPECT_FALSE(CoverModule(*module).ok());
}

// Whatever the code generator is tested to refuse is said here too.
TEST(Coverage, RefusesTheSpellingsThatTheCodeGeneratorIsKnownToRefuse) {
  std::set<std::string> told;
  std::ifstream exceptions(FARLANE_EXCEPTIONS);
  ASSERT_TRUE(exceptions.is_open());
  for (std::string kind, pattern; exceptions >> kind;) {
    if (kind != "refused") {
      std::getline(exceptions, pattern);
      continue;
    }
    exceptions >> pattern;
    const std::string opcode = pattern.substr(0, pattern.find_first_of(".["));
    if (IsCompiled(FindOpcode(opcode))) {
      told.insert(pattern);
    }
  }

  const auto ours = RefusedSpellings();
  EXPECT_THAT(told, testing::IsSubsetOf(std::set<std::string>(ours.begin(), ours.end())));
}

}  // namespace
}  // namespace farlane::soft::ptx
