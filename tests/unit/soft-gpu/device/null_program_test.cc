// SPDX-License-Identifier: Apache-2.0
// Null mode: kernels do nothing, but variables hold their initial values.
#include <cstring>

#include <gtest/gtest.h>

#include "soft-gpu/device/driver.h"
#include "tests/support/cubin_builder.h"
#include "tests/support/fatbin_builder.h"

namespace farlane::soft {
namespace {

constexpr char kPtx[] = R"(
.version 8.0
.target sm_80
.address_size 64
.global .align 4 .u32 answers[3] = {42, 43};
.visible .entry odd() { .reg .b32 %r<2>; frobnicate.b32 %r1; ret; }
)";

std::vector<std::byte> CubinWithAnswers() {
  std::vector<std::byte> value(12);
  value[0] = std::byte{42};
  value[4] = std::byte{43};
  return support::CubinBuilder(120)
      .AddKernel("odd", {}, 0)
      .AddVariable("zero", ".nv.global", 8)
      .AddValue("answers", ".nv.global.init", value)
      .Build();
}

// Loads an image in null mode, and gives the values that `answers` has.
std::vector<uint32_t> Answers(const void* image) {
  Config config;
  config.memory_bytes = 64_MiB;
  config.null_mode = true;
  const LoadedCode code = LoadCode(config, image);
  EXPECT_EQ(code.result, CUDA_SUCCESS) << code.problem;
  DeviceMemory& memory = Driver::Get()->memory();
  const LoadedProgram loaded = LoadNullProgram(*code.code, {&memory, 0, 0, nullptr});
  EXPECT_EQ(loaded.outcome.result, CUDA_SUCCESS) << loaded.outcome.problem;
  EXPECT_EQ(loaded.program->kernels().size(), 1u);
  EXPECT_FALSE(loaded.program->runs());
  EXPECT_EQ(loaded.program->Launch(0, {}, {}).result, CUDA_SUCCESS);
  EXPECT_EQ(loaded.program->compiled_count(), 0u);
  std::vector<uint32_t> answers;
  for (const VariableFacts& variable : loaded.program->variables()) {
    if (variable.name == "answers") {
      answers.resize(variable.size_bytes / 4);
      std::memcpy(answers.data(), reinterpret_cast<void*>(variable.address), variable.size_bytes);
    }
  }
  return answers;
}

class NullProgram : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(Driver::Start(), CUDA_SUCCESS); }

  const std::vector<uint32_t> expected_ = {42, 43, 0};
};

TEST_F(NullProgram, VariablesOfPtxHaveTheirValues) {
  EXPECT_EQ(Answers(kPtx), expected_);
}

TEST_F(NullProgram, PtxThatIsTooNewToBeRunServesToo) {
  std::string later = kPtx;
  later.replace(later.find("8.0"), 3, "99.9");
  EXPECT_EQ(Answers(later.c_str()).size(), 3u);
}

TEST_F(NullProgram, VariablesOfMachineCodeHaveTheirValues) {
  EXPECT_EQ(Answers(CubinWithAnswers().data()), expected_);
}

TEST_F(NullProgram, AFatbinWithoutPtxServesToo) {
  const std::vector<std::byte> fatbin =
      support::FatbinBuilder().Add({support::kElfEntry, 120, 0, CubinWithAnswers()}).Build();
  EXPECT_EQ(Answers(fatbin.data()), expected_);
}

TEST_F(NullProgram, ACutCubinIsRefused) {
  std::vector<std::byte> cubin = CubinWithAnswers();
  const InitialValues values = ReadCubinValues(cubin).value();
  EXPECT_EQ(values.size(), 1u);
  ASSERT_EQ(values.count("answers"), 1u);
  for (size_t size = 0; size < cubin.size(); ++size) {
    EXPECT_FALSE(ReadCubinValues(ConstBytes(cubin).first(size)).ok()) << size;
  }
}

}  // namespace
}  // namespace farlane::soft
