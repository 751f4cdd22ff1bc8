// SPDX-License-Identifier: Apache-2.0
// Libraries: code without a context, loaded into whichever asks for it first.
#include <string>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

const std::string kBroken =
    ".version 8.0\n.target sm_80\n.address_size 64\n"
    ".visible .entry first() {\n  no_such_instruction.u32 %r1;\n  ret;\n}\n"
    ".visible .entry second() {\n  ret;\n}\n";

using LibraryTest = SoftProgram;

TEST_F(LibraryTest, CodeThatCannotBeCompiledIsTriedOnce) {
  CUlibrary library = nullptr;
  ASSERT_EQ(cuLibraryLoadData(&library, kBroken.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0),
            CUDA_SUCCESS);
  const auto ask = [library](const char* name) {
    CUkernel kernel = nullptr;
    CUfunction function = nullptr;
    EXPECT_EQ(cuLibraryGetKernel(&kernel, library, name), CUDA_SUCCESS);
    testing::internal::CaptureStderr();
    EXPECT_EQ(cuKernelGetFunction(&function, kernel), CUDA_ERROR_INVALID_PTX);
    return testing::internal::GetCapturedStderr();
  };

  EXPECT_NE(ask("first"), "");
  EXPECT_EQ(ask("second"), "");
  EXPECT_EQ(cuLibraryUnload(library), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::soft
