// SPDX-License-Identifier: Apache-2.0
// What a module's kernels need, and what happens to those that cannot have it.
#include <string>

#include <gmock/gmock.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using testing::HasSubstr;

const std::string kHeader = ".version 9.0\n.target sm_100\n.address_size 64\n";

std::string Kernel(const std::string& name, const std::string& body) {
  return ".visible .entry " + name +
         "()\n{\n  .reg .b16 %h<5>;\n  .reg .b32 %r<5>;\n  .reg .f32 %f<5>;\n  .reg .b64 "
         "%rd<5>;\n" +
         body + "  ret;\n}\n";
}

Status Prepared(const std::string& text, const std::string& kernel) {
  std::unique_ptr<Program> program = LoadOrFail(kHeader + text);
  return program == nullptr ? Status(StatusCode::kInternal, "not loaded")
                            : program->Prepare(KernelNamed(*program, kernel));
}

TEST(Module, MeasuresKernelsWithoutCompilingAny) {
  std::string text = kHeader + ".shared .align 4 .b8 tile[96];\n";
  for (int i = 0; i < 400; ++i) {
    text += Kernel("k" + std::to_string(i),
                   "  .local .align 8 .b8 depot[48];\n  .shared .align 4 .b8 own[" +
                       std::to_string(4 * (i + 1)) + "];\n  mov.u32 %r1, tile;\n");
  }
  std::unique_ptr<Program> program = LoadOrFail(text);
  ASSERT_NE(program, nullptr);
  ASSERT_EQ(program->kernels().size(), 400u);

  for (uint32_t i = 0; i < 400; ++i) {
    const Result<KernelSizes> sizes = program->Measure(i);
    ASSERT_TRUE(sizes.ok()) << sizes.error().message();
    EXPECT_EQ(sizes->static_shared_bytes, 4 * (i + 1) + 96);
    EXPECT_EQ(sizes->local_bytes, 48u);
  }

  EXPECT_EQ(program->compiled_count(), 0u);
  EXPECT_EQ(program->Launch(7, {}, {}).fault, Fault::kNone);
  EXPECT_EQ(program->compiled_count(), 1u);
  EXPECT_EQ(program->Measure(400).error().code(), StatusCode::kNotFound);
}

TEST(Module, OnlyKernelsThatUseAnUndefinedVariableFail) {
  const std::string text = ".extern .global .align 4 .u32 elsewhere;\n" +
                           Kernel("user", "  ld.global.u32 %r1, [elsewhere];\n") + Kernel("k", "");

  const Status status = Prepared(text, "user");

  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("kernel user: variable elsewhere is declared"));
  EXPECT_TRUE(Prepared(text, "k").ok());
  EXPECT_TRUE(Prepared(text + ".visible .global .align 4 .u32 elsewhere = 1;\n", "user").ok());
}

TEST(Module, OnlyKernelsThatUseAVariableWithTheAddressOfAMissingFunctionFail) {
  const std::string text =
      ".extern .func f();\n"
      ".global .align 8 .u64 table[2] = {5, f};\n.global .align 8 .u64 to = generic(table);\n" +
      Kernel("user", "  ld.global.u64 %rd1, [table];\n") +
      Kernel("k", "  ld.global.u64 %rd1, [to];\n");
  std::unique_ptr<Program> program = LoadOrFail(kHeader + text);
  ASSERT_NE(program, nullptr);
  ASSERT_EQ(program->globals().size(), 2u);
  const auto* const table = reinterpret_cast<const uint64_t*>(program->globals()[0].address);

  const Status status = program->Prepare(KernelNamed(*program, "user"));

  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("variable table holds the address of a function"));
  EXPECT_TRUE(program->Prepare(KernelNamed(*program, "k")).ok());
  EXPECT_EQ(table[0], 5u);
}

TEST(Module, WithAMistakeInAnyBodyIsRefused) {
  const std::string text =
      kHeader + Kernel("good", "") + Kernel("bad", "  add.u32 %r1, %r2, %nothing;\n");

  const auto program = Program::Load(text, TestDevice::Instance());

  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(program.error().message(), HasSubstr("unknown name '%nothing'"));
}

TEST(Module, EstimatesRegistersFromWhatIsWantedAtOnce) {
  std::string many = "  .reg .b32 %m<40>;\n";
  for (int i = 0; i < 40; ++i) {
    many += "  ld.global.u32 %m" + std::to_string(i) + ", [%rd1];\n";
  }
  for (int i = 0; i < 40; ++i) {
    many += "  st.global.u32 [%rd1], %m" + std::to_string(i) + ";\n";
  }
  std::string bounded = Kernel("bounded", many);
  bounded.replace(bounded.find("()"), 2, "() .maxnreg 32");
  std::unique_ptr<Program> program =
      LoadOrFail(kHeader + Kernel("few", "") + Kernel("many", many) + bounded);
  ASSERT_NE(program, nullptr);
  const auto registers = [&](const char* name) {
    return program->kernels()[KernelNamed(*program, name)].registers;
  };

  EXPECT_EQ(registers("few"), 16u);
  EXPECT_EQ(registers("many"), 48u);  // 40, an address of two, and 4 beside, in steps of 8
  EXPECT_EQ(registers("bounded"), 32u);
  EXPECT_EQ(program->Measure(KernelNamed(*program, "many"))->local_bytes, 0u);
  EXPECT_EQ(program->Measure(KernelNamed(*program, "bounded"))->local_bytes, (46u - 32) * 4);
}

TEST(Module, FormsThatWouldComputeSomethingElseAreRefused) {
  for (const std::string instruction :
       {"fma.rn.oob.f16 %h1, %h2, %h3, %h4;", "fma.rn.oob.relu.bf16 %h1, %h2, %h3, %h4;",
        "cvt.rs.f16x2.f32 %r1, %f1, %f2, %r2;", "prefetch.tensormap [%rd1];",
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.u32 [%r1], %r2, [%r3];",
        "multimem.ld_reduce.global.add.u32 %r1, [%rd1];"}) {
    const Status status = Prepared(Kernel("k", "  " + instruction + "\n"), "k");

    EXPECT_EQ(status.code(), StatusCode::kUnsupported) << instruction;
    EXPECT_THAT(status.message(), HasSubstr(instruction.substr(0, instruction.find(' '))));
  }
}

}  // namespace
}  // namespace farlane::soft
