// SPDX-License-Identifier: Apache-2.0
// Device code that cannot be loaded: machine code of some GPU without PTX beside it, and PTX with
// mistakes.
#include <cstring>
#include <string>

#include "tests/support/cubin_builder.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {
namespace {

constexpr char kBroken[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry broken()\n{\n  ret;\n}\n.visible .entry (\n";

}  // namespace

void WithoutPtx() {
  Begin();
  const Kernels kernels = LoadKernels();
  const std::vector<std::byte> cubin =
      support::CubinBuilder(35).AddKernel("k", {{0, 8}}, 8).Build();
  CUmodule module = nullptr;
  EXPECT(Cuda().cuModuleLoadData(&module, cubin.data()), CUDA_ERROR_NO_BINARY_FOR_GPU);
  CheckWork(kernels, 21);
}

void BrokenPtx() {
  Begin();
  const Kernels kernels = LoadKernels();
  char log[4096] = {};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  CUmodule module = nullptr;
  EXPECT(Cuda().cuModuleLoadDataEx(&module, kBroken, 2, options, values), CUDA_ERROR_INVALID_PTX);
  EXPECT_TRUE(strstr(log, "PTX") != nullptr);
  EXPECT(reinterpret_cast<uint64_t>(values[1]), strlen(log));
  // A small buffer gets the start of the message and its end mark, and nothing next to it changes.
  char small[16];
  memset(small, 'x', sizeof small);
  values[0] = small;
  values[1] = reinterpret_cast<void*>(uint64_t{8});
  EXPECT(Cuda().cuModuleLoadDataEx(&module, kBroken, 2, options, values), CUDA_ERROR_INVALID_PTX);
  EXPECT(strnlen(small, sizeof small), 7);
  EXPECT(small[8], 'x');
  CheckWork(kernels, 22);
}

void ManyKernels() {
  Begin();
  constexpr int kCount = 3000;
  // Their descriptions take more than one message has room for.
  const std::string tail(400, 'n');
  std::string ptx = ".version 7.0\n.target sm_70\n.address_size 64\n";
  for (int i = 0; i < kCount; ++i) {
    ptx += ".visible .entry k" + std::to_string(i) + tail + "()\n{\n  ret;\n}\n";
  }
  CUmodule module = nullptr;
  unsigned count = 0;
  EXPECT_OK(Cuda().cuModuleLoadData(&module, ptx.c_str()));
  EXPECT_OK(Cuda().cuModuleGetFunctionCount(&count, module));
  EXPECT(count, kCount);
  for (const int i : {0, kCount / 2, kCount - 1}) {
    CUfunction function = nullptr;
    const std::string name = "k" + std::to_string(i) + tail;
    EXPECT_OK(Cuda().cuModuleGetFunction(&function, module, name.c_str()));
    EXPECT_OK(Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  }
  EXPECT_OK(Cuda().cuCtxSynchronize());
  // A name that fits no message is the name of nothing.
  const std::string endless(2 << 20, 'n');
  CUfunction function = nullptr;
  CUdeviceptr address = 0;
  EXPECT(Cuda().cuModuleGetFunction(&function, module, endless.c_str()), CUDA_ERROR_NOT_FOUND);
  EXPECT(Cuda().cuModuleGetGlobal_v2(&address, nullptr, module, endless.c_str()),
         CUDA_ERROR_NOT_FOUND);
  EXPECT_OK(Cuda().cuModuleUnload(module));
  CheckWork(LoadKernels(), 23);
}

void BrokenLibraries() {
  Begin();
  // Without a wish for the compiler's messages the error shows when something in it is wanted.
  CUlibrary library = nullptr;
  CUkernel kernel = nullptr;
  unsigned count = 0;
  EXPECT_OK(Cuda().cuLibraryLoadData(&library, kBroken, nullptr, nullptr, 0, nullptr, nullptr, 0));
  EXPECT(Cuda().cuLibraryGetKernel(&kernel, library, "broken"), CUDA_ERROR_INVALID_PTX);
  EXPECT(Cuda().cuLibraryGetKernelCount(&count, library), CUDA_ERROR_INVALID_PTX);
  EXPECT_OK(Cuda().cuLibraryUnload(library));
  EXPECT(Cuda().cuLibraryUnload(library), CUDA_ERROR_INVALID_HANDLE);
  // With one it shows at once.
  char log[4096] = {};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  EXPECT(Cuda().cuLibraryLoadData(&library, kBroken, options, values, 2, nullptr, nullptr, 0),
         CUDA_ERROR_INVALID_PTX);
  EXPECT_TRUE(strstr(log, "PTX") != nullptr);
  CheckWork(LoadKernels(), 24);
}

void Assertion() {
  Begin();
  static constexpr char kPtx[] = R"(
.version 7.0
.target sm_70
.address_size 64
.extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d,
                           .param .b64 e);
.global .align 1 .b8 text[6] = {115, 107, 121, 49, 50, 0};
.visible .entry fails()
{
  .reg .b64 %rd<3>;
  mov.u64 %rd1, text;
  cvta.global.u64 %rd2, %rd1;
  {
    .param .b64 a;
    .param .b64 b;
    .param .b32 c;
    .param .b64 d;
    .param .b64 e;
    st.param.b64 [a], %rd2;
    st.param.b64 [b], %rd2;
    st.param.b32 [c], 42;
    st.param.b64 [d], %rd2;
    st.param.b64 [e], 1;
    call.uni __assertfail, (a, b, c, d, e);
  }
  ret;
}
)";
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  EXPECT_OK(Cuda().cuModuleLoadData(&module, kPtx));
  EXPECT_OK(Cuda().cuModuleGetFunction(&function, module, "fails"));
  EXPECT_OK(Cuda().cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr));
  EXPECT(Cuda().cuCtxSynchronize(), CUDA_ERROR_ASSERT);
}

}  // namespace farlane::cases
