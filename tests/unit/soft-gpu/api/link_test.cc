// SPDX-License-Identifier: Apache-2.0
// The linker of device code, by the driver's calls.
#include <cstring>
#include <string>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

const std::string kHead = ".version 8.0\n.target sm_80\n.address_size 64\n";
const std::string kUses = kHead +
                          ".extern .global .u32 answer;\n"
                          ".visible .entry tell(.param .u64 out) {\n"
                          "  .reg .b64 %rd<2>;\n  .reg .b32 %r<2>;\n"
                          "  ld.param.u64 %rd1, [out];\n  ld.global.u32 %r1, [answer];\n"
                          "  st.global.u32 [%rd1], %r1;\n  ret;\n}\n";
const std::string kDefines = kHead + ".visible .global .u32 answer = 42;\n";

class LinkTest : public SoftProgram {
 protected:
  void SetUp() override {
    SoftProgram::SetUp();
    CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
    ASSERT_EQ(cuLinkCreate_v2(2, options, values_, &state_), CUDA_SUCCESS);
  }

  void TearDown() override {
    if (state_ != nullptr) {
      EXPECT_EQ(cuLinkDestroy(state_), CUDA_SUCCESS);
    }
    SoftProgram::TearDown();
  }

  CUresult Add(std::string text, CUjitInputType type = CU_JIT_INPUT_PTX) {
    return cuLinkAddData_v2(state_, type, text.data(), text.size() + 1, "a part", 0, nullptr,
                            nullptr);
  }

  char log_[1024] = "";
  void* values_[2] = {log_, reinterpret_cast<void*>(sizeof log_)};
  CUlinkState state_ = nullptr;
};

TEST_F(LinkTest, WhatOnePartDeclaresAnotherDefines) {
  ASSERT_EQ(Add(kUses), CUDA_SUCCESS);
  ASSERT_EQ(Add(kDefines), CUDA_SUCCESS);
  void* image = nullptr;
  size_t bytes = 0;
  ASSERT_EQ(cuLinkComplete(state_, &image, &bytes), CUDA_SUCCESS);
  EXPECT_EQ(bytes, strlen(static_cast<const char*>(image)) + 1);
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, image), CUDA_SUCCESS);
  ASSERT_EQ(cuLinkDestroy(state_), CUDA_SUCCESS);
  state_ = nullptr;

  CUfunction tell = nullptr;
  ASSERT_EQ(cuModuleGetFunction(&tell, module, "tell"), CUDA_SUCCESS);
  CUdeviceptr out = Allocate(4);
  void* parameters[] = {&out};
  ASSERT_EQ(cuLaunchKernel(tell, 1, 1, 1, 1, 1, 1, 0, nullptr, parameters, nullptr), CUDA_SUCCESS);
  uint32_t told = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&told, out, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(told, 42u);
}

TEST_F(LinkTest, TheLogNamesWhatIsDefinedTwice) {
  ASSERT_EQ(Add(kDefines), CUDA_SUCCESS);
  ASSERT_EQ(Add(kDefines), CUDA_SUCCESS);
  void* image = nullptr;
  EXPECT_EQ(cuLinkComplete(state_, &image, nullptr), CUDA_ERROR_INVALID_PTX);
  EXPECT_NE(std::string(log_).find("'answer' is defined"), std::string::npos) << log_;
}

TEST_F(LinkTest, TheLogNamesWhatIsDefinedNowhere) {
  ASSERT_EQ(Add(kUses), CUDA_SUCCESS);
  void* image = nullptr;
  EXPECT_EQ(cuLinkComplete(state_, &image, nullptr), CUDA_ERROR_INVALID_PTX);
  EXPECT_NE(std::string(log_).find("'answer'"), std::string::npos) << log_;
}

TEST_F(LinkTest, WhatCannotBeLinkedIsRefusedWhenItIsAdded) {
  EXPECT_EQ(Add("int main() {}"), CUDA_ERROR_INVALID_PTX);
  EXPECT_EQ(Add(".version 9.0\n.target sm_130\n.address_size 64\n"), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(Add(".version 9.1\n.target sm_80\n.address_size 64\n"),
            CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  EXPECT_EQ(Add("x", CU_JIT_INPUT_CUBIN), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(Add("x", CU_JIT_INPUT_LIBRARY), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(Add("x", CU_JIT_NUM_INPUT_TYPES), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuLinkAddFile_v2(state_, CU_JIT_INPUT_PTX, "/nowhere", 0, nullptr, nullptr),
            CUDA_ERROR_FILE_NOT_FOUND);
  EXPECT_EQ(cuLinkDestroy(reinterpret_cast<CUlinkState>(1)), CUDA_ERROR_INVALID_HANDLE);
}

}  // namespace
}  // namespace farlane::soft
