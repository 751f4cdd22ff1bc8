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

  bytes = 8;  // without the sum: it is 0
  EXPECT_EQ(cuLaunchKernel(count_up_, 1, 1, 1, 32, 1, 1, 0, nullptr, nullptr, extra), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoH_v2(&last, packed.out + 31 * 4, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(last, 31u);
  bytes = 0;
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

TEST_F(Launch, PtxOfALaterVersionIsCalledThat) {
  const std::string rest = "\n.target sm_80\n.address_size 64\n.visible .entry k() { ret; }\n";
  CUmodule module = nullptr;
  EXPECT_EQ(cuModuleLoadData(&module, (".version 9.1" + rest).c_str()),
            CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  EXPECT_EQ(cuModuleLoadData(&module, (".version 10.0" + rest).c_str()),
            CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  EXPECT_EQ(cuModuleLoadData(&module, (".version 9.0" + rest).c_str()), CUDA_SUCCESS);
}

// A function that calls itself as often as it is told, with 32 bytes of local memory each time.
constexpr char kRecursion[] = R"(
.version 8.0
.target sm_80
.address_size 64

.func (.param .b32 sum) down(.param .b32 times)
{
  .local .align 8 .b8 depot[32];
  .reg .pred %p;
  .reg .b32 %r<6>;
  .param .b32 less;
  .param .b32 result;
  ld.param.b32 %r1, [times];
  st.local.b32 [depot], %r1;
  mov.u32 %r4, 0;
  setp.eq.u32 %p, %r1, 0;
  @%p bra DONE;
  sub.u32 %r2, %r1, 1;
  st.param.b32 [less], %r2;
  call (result), down, (less);
  ld.param.b32 %r3, [result];
  ld.local.b32 %r5, [depot];
  add.u32 %r4, %r3, %r5;
DONE:
  st.param.b32 [sum], %r4;
  ret;
}

.visible .entry k(.param .u64 out, .param .u32 times)
{
  .reg .b32 %r<3>;
  .reg .b64 %rd<2>;
  .param .b32 count;
  .param .b32 result;
  bar.sync 0;
  ld.param.u32 %r1, [times];
  st.param.b32 [count], %r1;
  call (result), down, (count);
  ld.param.b32 %r2, [result];
  ld.param.u64 %rd1, [out];
  st.global.u32 [%rd1], %r2;
  ret;
}
)";

class StackLimit : public SoftProgram {
 protected:
  // What the recursion adds up in a context of its own, which a fault does not outlive.
  static CUresult Recurse(size_t limit, uint32_t times, uint32_t* sum) {
    CUcontext context = nullptr;
    CUmodule module = nullptr;
    CUfunction kernel = nullptr;
    CUdeviceptr out = 0;
    EXPECT_EQ(cuCtxCreate_v2(&context, 0, 0), CUDA_SUCCESS);
    if (limit != 0) {
      EXPECT_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, limit), CUDA_SUCCESS);
    }
    EXPECT_EQ(cuModuleLoadData(&module, kRecursion), CUDA_SUCCESS);
    EXPECT_EQ(cuModuleGetFunction(&kernel, module, "k"), CUDA_SUCCESS);
    EXPECT_EQ(cuMemAlloc_v2(&out, 4), CUDA_SUCCESS);
    void* parameters[] = {&out, &times};
    EXPECT_EQ(cuLaunchKernel(kernel, 1, 1, 1, 64, 1, 1, 0, nullptr, parameters, nullptr),
              CUDA_SUCCESS);
    const CUresult result = cuMemcpyDtoH_v2(sum, out, 4, nullptr);
    EXPECT_EQ(cuCtxDestroy_v2(context), CUDA_SUCCESS);
    return result;
  }
};

TEST_F(StackLimit, IsHowDeepThreadsMayCall) {
  uint32_t sum = 0;
  EXPECT_EQ(Recurse(0, 300, &sum), CUDA_SUCCESS);
  EXPECT_EQ(sum, 300u * 301 / 2);
  EXPECT_EQ(Recurse(4096, 100, &sum), CUDA_SUCCESS);
  EXPECT_EQ(Recurse(4096, 300, &sum), CUDA_ERROR_HARDWARE_STACK_ERROR);
  EXPECT_EQ(Recurse(512 << 10, 12000, &sum), CUDA_SUCCESS);
  EXPECT_EQ(sum, 12000u * 12001 / 2);
  EXPECT_EQ(Recurse(512 << 10, 20000, &sum), CUDA_ERROR_HARDWARE_STACK_ERROR);
}

TEST_F(StackLimit, IsRefusedBeyondWhatAThreadCanHave) {
  size_t limit = 0;
  EXPECT_EQ(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, (512 << 10) + 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuCtxGetLimit(&limit, CU_LIMIT_STACK_SIZE), CUDA_SUCCESS);
  EXPECT_EQ(limit, 1024u);
}

}  // namespace
}  // namespace farlane::soft
