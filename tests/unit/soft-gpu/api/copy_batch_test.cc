// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

TEST_F(SoftProgram, ABatchCopiesInAllDirections) {
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  std::vector<uint32_t> in{1, 2, 3, 4};
  std::vector<uint32_t> out(4);
  const CUdeviceptr first = Allocate(16);
  const CUdeviceptr second = Allocate(16);
  CUdeviceptr to[] = {first, second, reinterpret_cast<CUdeviceptr>(out.data())};
  CUdeviceptr from[] = {reinterpret_cast<CUdeviceptr>(in.data()), first, second};
  size_t bytes[] = {16, 16, 16};
  CUmemcpyAttributes attributes[2]{};
  attributes[0].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
  attributes[1].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  size_t starts[] = {0, 1};
  ASSERT_EQ(cuMemcpyBatchAsync_v2(to, from, bytes, 3, attributes, starts, 2, stream), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream), CUDA_SUCCESS);
  EXPECT_EQ(out, in);
}

TEST_F(SoftProgram, ABatchSaysWhichCopyCannotBe) {
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, 0), CUDA_SUCCESS);
  const CUdeviceptr memory = Allocate(64);
  CUdeviceptr to[] = {memory, 0};
  CUdeviceptr from[] = {memory + 32, memory};
  size_t bytes[] = {16, 16};
  CUmemcpyAttributes attribute{};
  attribute.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  size_t start = 0;
  size_t failed = 99;
  EXPECT_EQ(cuMemcpyBatchAsync(to, from, bytes, 2, &attribute, &start, 1, &failed, stream),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(failed, 1u);
  EXPECT_EQ(cuMemcpyBatchAsync(to, from, bytes, 2, &attribute, &start, 1, &failed, nullptr),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(failed, SIZE_MAX);
  start = 1;
  EXPECT_EQ(cuMemcpyBatchAsync_v2(to, from, bytes, 1, &attribute, &start, 1, stream),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::soft
