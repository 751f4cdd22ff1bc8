// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "soft-gpu/device/driver.h"
#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

// out[i] = i + add for i < count, one block; and a kernel that stores to an address it is given.
constexpr char kPtx[] = R"(
.version 8.0
.target sm_80
.address_size 64

.global .align 4 .u32 answer = 42;

.visible .entry count_up(.param .u64 out, .param .u32 add)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [out];
  ld.param.u32 %r1, [add];
  cvta.to.global.u64 %rd2, %rd1;
  mov.u32 %r2, %tid.x;
  add.s32 %r3, %r2, %r1;
  mul.wide.u32 %rd3, %r2, 4;
  add.s64 %rd3, %rd2, %rd3;
  st.global.u32 [%rd3], %r3;
  ret;
}

.visible .entry store(.param .u64 to)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [to];
  mov.u32 %r1, 1;
  st.global.u32 [%rd1], %r1;
  ret;
}
)";

class Launch : public SoftProgram {
 protected:
  void SetUp() override {
    SoftProgram::SetUp();
    ASSERT_EQ(cuModuleLoadData(&module_, kPtx), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&count_up_, module_, "count_up"), CUDA_SUCCESS);
  }

  static CUresult Start(CUfunction function, unsigned int threads, void** parameters) {
    return cuLaunchKernel(function, 1, 1, 1, threads, 1, 1, 0, nullptr, parameters, nullptr);
  }

  CUmodule module_ = nullptr;
  CUfunction count_up_ = nullptr;
};

TEST_F(Launch, ComputesInDeviceMemory) {
  CUdeviceptr out = Allocate(256 * 4);
  uint32_t add = 1000;
  void* parameters[] = {&out, &add};
  ASSERT_EQ(Start(count_up_, 256, parameters), CUDA_SUCCESS);

  std::vector<uint32_t> got(256);
  ASSERT_EQ(cuMemcpyDtoH_v2(got.data(), out, 256 * 4, nullptr), CUDA_SUCCESS);
  std::vector<uint32_t> expected(256);
  std::iota(expected.begin(), expected.end(), 1000);
  EXPECT_EQ(got, expected);
}

TEST_F(Launch, TakesParametersAsOneBuffer) {
  struct {
    CUdeviceptr out;
    uint32_t add;
  } packed{Allocate(128), 7};

  size_t bytes = 12;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                   CU_LAUNCH_PARAM_END};
  ASSERT_EQ(cuLaunchKernel(count_up_, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra), CUDA_SUCCESS);
  uint32_t last = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&last, packed.out + 31 * 4, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(last, 38u);

  bytes = 11;
  EXPECT_EQ(cuLaunchKernel(count_up_, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Launch, RefusesShapesThatNoDeviceHas) {
  CUdeviceptr out = Allocate(256);
  uint32_t add = 0;
  void* parameters[] = {&out, &add};
  EXPECT_EQ(Start(count_up_, 0, parameters), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Start(count_up_, 1025, parameters), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuLaunchKernel(count_up_, 1, 65536, 1, 1, 1, 1, 0, nullptr, parameters, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuLaunchKernel(count_up_, 1, 1, 1, 1, 1, 65, 0, nullptr, parameters, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuLaunchKernel(count_up_, 1, 1, 1, 1, 1, 1, 49 << 10, nullptr, parameters, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Start(count_up_, 1, nullptr), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Start(reinterpret_cast<CUfunction>(&out), 1, parameters), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(Launch, MoreSharedMemoryIsThereOnceAskedFor) {
  CUdeviceptr out = Allocate(256);
  uint32_t add = 0;
  void* parameters[] = {&out, &add};
  ASSERT_EQ(
      cuFuncSetAttribute(count_up_, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 64 << 10),
      CUDA_SUCCESS);
  EXPECT_EQ(cuLaunchKernel(count_up_, 1, 1, 1, 1, 1, 1, 64 << 10, nullptr, parameters, nullptr),
            CUDA_SUCCESS);
  EXPECT_EQ(cuFuncSetAttribute(count_up_, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 20),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Launch, AFaultStaysWithItsContext) {
  CUfunction store = nullptr;
  ASSERT_EQ(cuModuleGetFunction(&store, module_, "store"), CUDA_SUCCESS);
  CUdeviceptr nowhere = 0x7f00dead00001000;
  void* parameters[] = {&nowhere};
  ASSERT_EQ(Start(store, 1, parameters), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr address = 0;
  EXPECT_EQ(cuMemAlloc_v2(&address, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(Start(store, 1, parameters), CUDA_ERROR_ILLEGAL_ADDRESS);

  CUcontext other = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&address, 16), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxDestroy_v2(other), CUDA_SUCCESS);
}

TEST_F(Launch, VariablesHaveTheirValuesAndKernelsTheirLayout) {
  CUdeviceptr answer = 0;
  size_t bytes = 0;
  ASSERT_EQ(cuModuleGetGlobal_v2(&answer, &bytes, module_, "answer"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 4u);
  uint32_t value = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&value, answer, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(value, 42u);
  EXPECT_EQ(cuModuleGetGlobal_v2(&answer, &bytes, module_, "question"), CUDA_ERROR_NOT_FOUND);

  size_t offset = 0;
  ASSERT_EQ(cuFuncGetParamInfo(count_up_, 1, &offset, &bytes), CUDA_SUCCESS);
  EXPECT_EQ(offset, 8u);
  EXPECT_EQ(bytes, 4u);
  EXPECT_EQ(cuFuncGetParamInfo(count_up_, 2, &offset, &bytes), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(Launch, ALibrarysKernelRunsInEveryContext) {
  CUlibrary library = nullptr;
  ASSERT_EQ(cuLibraryLoadData(&library, kPtx, nullptr, nullptr, 0, nullptr, nullptr, 0),
            CUDA_SUCCESS);
  CUkernel kernel = nullptr;
  ASSERT_EQ(cuLibraryGetKernel(&kernel, library, "count_up"), CUDA_SUCCESS);
  for (const CUdevice device : {0, 1}) {
    CUcontext context = nullptr;
    ASSERT_EQ(cuCtxCreate_v2(&context, 0, device), CUDA_SUCCESS);
    CUdeviceptr out = Allocate(64);
    uint32_t add = 5;
    void* parameters[] = {&out, &add};
    ASSERT_EQ(Start(reinterpret_cast<CUfunction>(kernel), 16, parameters), CUDA_SUCCESS);
    uint32_t last = 0;
    ASSERT_EQ(cuMemcpyDtoH_v2(&last, out + 60, 4, nullptr), CUDA_SUCCESS);
    EXPECT_EQ(last, 20u);
    ASSERT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
  }
  ASSERT_EQ(cuLibraryUnload(library), CUDA_SUCCESS);
  EXPECT_EQ(cuLibraryGetKernel(&kernel, library, "count_up"), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(Launch, AskingForAttributesCompilesNothing) {
  std::string text = ".version 8.0\n.target sm_80\n.address_size 64\n";
  for (int i = 0; i < 100; ++i) {
    text += ".visible .entry k" + std::to_string(i) +
            "()\n{\n  .shared .align 4 .b8 tile[1024];\n  ret;\n}\n";
  }
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, text.c_str()), CUDA_SUCCESS);
  std::vector<CUfunction> functions(100);
  ASSERT_EQ(cuModuleEnumerateFunctions(functions.data(), 100, module), CUDA_SUCCESS);
  for (const CUfunction function : functions) {
    for (int attribute = 0; attribute < CU_FUNC_ATTRIBUTE_MAX; ++attribute) {
      int value = -1;
      EXPECT_EQ(cuFuncGetAttribute(&value, static_cast<CUfunction_attribute>(attribute), function),
                CUDA_SUCCESS);
    }
    int shared = 0;
    EXPECT_EQ(cuFuncGetAttribute(&shared, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function),
              CUDA_SUCCESS);
    EXPECT_EQ(shared, 1024);
  }
  const auto loaded = Driver::Get()->modules().Find(reinterpret_cast<uintptr_t>(module));
  EXPECT_EQ(loaded->program().compiled_count(), 0u);
  EXPECT_EQ(Start(functions[0], 1, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(loaded->program().compiled_count(), 1u);
}

TEST_F(Launch, CooperativeGridsThatFitTheDeviceRunAndOthersAreRefused) {
  CUdeviceptr out = Allocate(1024);
  uint32_t add = 0;
  void* parameters[] = {&out, &add};
  int processors = 0;
  int blocks = 0;
  int supported = 0;
  ASSERT_EQ(cuDeviceGetAttribute(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0),
            CUDA_SUCCESS);
  ASSERT_EQ(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 0),
            CUDA_SUCCESS);
  EXPECT_EQ(supported, 1);
  ASSERT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, count_up_, 64, 0), CUDA_SUCCESS);
  const auto most = static_cast<unsigned int>(std::min(processors * blocks, 384));
  EXPECT_EQ(cuLaunchCooperativeKernel(count_up_, most, 1, 1, 64, 1, 1, 0, nullptr, parameters),
            CUDA_SUCCESS);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  EXPECT_EQ(cuLaunchCooperativeKernel(count_up_, most + 1, 1, 1, 64, 1, 1, 0, nullptr, parameters),
            CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(Launch, BadPtxIsExplainedInTheLog) {
  char log[256] = "untouched";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  CUmodule module = nullptr;
  EXPECT_EQ(
      cuModuleLoadDataEx(&module, ".version 8.0\n.target sm_80\n.nonsense\n", 2, options, values),
      CUDA_ERROR_INVALID_PTX);
  EXPECT_NE(std::string(log), "untouched");
  EXPECT_GT(reinterpret_cast<uintptr_t>(values[1]), 1u);
}

TEST_F(Launch, PtxForALaterGpuIsNoBinaryForThisOne) {
  CUmodule module = nullptr;
  EXPECT_EQ(cuModuleLoadData(&module, ".version 9.0\n.target sm_130\n.address_size 64\n"),
            CUDA_ERROR_NO_BINARY_FOR_GPU);
}

}  // namespace
}  // namespace farlane::soft
