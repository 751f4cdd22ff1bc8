// SPDX-License-Identifier: Apache-2.0
// Device code that cannot be loaded: machine code of some GPU without PTX beside it, and PTX with
// mistakes.
#include <cstring>
#include <string>

#include "tests/support/cubin_builder.h"
#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/cuda.h"

namespace farlane::cases {

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
  static constexpr char kBroken[] =
      ".version 7.0\n.target sm_70\n.address_size 64\n"
      ".visible .entry broken()\n{\n  ret;\n}\n.visible .entry (\n";
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

}  // namespace farlane::cases
