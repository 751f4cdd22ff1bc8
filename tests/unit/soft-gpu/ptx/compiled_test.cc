// SPDX-License-Identifier: Apache-2.0
// What real compilers write must parse, be known to the optable, and print the same twice.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "soft-gpu/ptx/optable.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/printer.h"

namespace farlane::soft::ptx {
namespace {

// Runs a compiler that writes PTX to a temporary file; empty if it fails.
std::string Compile(const std::string& command) {
  const std::string path =
      testing::TempDir() + "farlane_compiled_" + std::to_string(getpid()) + ".ptx";
  const int status = std::system((command + " -o '" + path + "' 2>/dev/null").c_str());
  std::stringstream text;
  if (status == 0) {
    text << std::ifstream(path).rdbuf();
  }
  unlink(path.c_str());
  return text.str();
}

void ExpectUnderstood(const std::string& text) {
  const Result<Module> module = ParseModule(text);
  ASSERT_TRUE(module.ok()) << module.error().message();
  size_t instructions = 0;
  for (const Function& function : module->functions) {
    if (!function.has_body) {
      continue;
    }
    const Result<Body> body = ParseBody(*module, function);
    ASSERT_TRUE(body.ok()) << body.error().message();
    for (const Instruction& instruction : body->instructions) {
      const Status status = CheckInstruction(*module, *body, instruction);
      EXPECT_TRUE(status.ok()) << status.message();
      ++instructions;
    }
  }
  EXPECT_GT(instructions, 10u);
  const Result<std::string> once = PrintModule(*module);
  ASSERT_TRUE(once.ok()) << once.error().message();
  const Result<Module> again = ParseModule(*once);
  ASSERT_TRUE(again.ok()) << again.error().message();
  const Result<std::string> twice = PrintModule(*again);
  ASSERT_TRUE(twice.ok()) << twice.error().message();
  EXPECT_EQ(*once, *twice);
}

class Nvcc : public testing::TestWithParam<const char*> {};

TEST_P(Nvcc, WritesWhatWeUnderstand) {
  if (std::string(FARLANE_NVCC).empty()) {
    GTEST_SKIP() << "no nvcc on this machine";
  }
  const std::string text = Compile(std::string(FARLANE_NVCC) + " -w --ptx " + GetParam() + " " +
                                   FARLANE_KERNELS + "/runtime.cu");
  ASSERT_FALSE(text.empty()) << "nvcc failed";
  ExpectUnderstood(text);
}

INSTANTIATE_TEST_SUITE_P(Options,
                         Nvcc,
                         testing::Values("-arch=compute_75",
                                         "-arch=compute_120 -use_fast_math -lineinfo",
                                         "-arch=compute_80 -G -rdc=true"));

class Clang : public testing::TestWithParam<const char*> {};

TEST_P(Clang, WritesWhatWeUnderstand) {
  if (std::string(FARLANE_PTX_CLANG).empty()) {
    GTEST_SKIP() << "no clang with an NVPTX back end on this machine";
  }
  const std::string text = Compile(
      std::string(FARLANE_PTX_CLANG) +
      " -x cuda --cuda-device-only --cuda-gpu-arch=sm_80 -nocudainc -nocudalib -S"
      // Else the PTX version depends on the CUDA toolkit that clang finds, or does not find.
      " --cuda-feature=+ptx78 " +
      GetParam() + " " + FARLANE_KERNELS + "/bare.cu");
  ASSERT_FALSE(text.empty()) << "clang failed";
  ExpectUnderstood(text);
}

INSTANTIATE_TEST_SUITE_P(Options, Clang, testing::Values("-O0 -g", "-O2"));

}  // namespace
}  // namespace farlane::soft::ptx
