// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/copy_batch.h"

#include <vector>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

constexpr CUdeviceptr kTo[] = {10, 20, 30};
constexpr CUdeviceptr kFrom[] = {11, 21, 31};
constexpr size_t kBytes[] = {1, 2, 3};

uint32_t NoArray(CUarray) {
  return 0;
}

uint32_t FourBytes(CUarray) {
  return 4;
}

CUmemcpyAttributes Order(CUmemcpySrcAccessOrder order) {
  CUmemcpyAttributes attributes{};
  attributes.srcAccessOrder = order;
  return attributes;
}

TEST(CopyBatch, AnAttributeHoldsUntilTheNextOnesStart) {
  const CUmemcpyAttributes attributes[] = {Order(CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL),
                                           Order(CU_MEMCPY_SRC_ACCESS_ORDER_ANY)};
  const size_t starts[] = {0, 2};
  const CopyBatch batch{kTo, kFrom, kBytes, 3, attributes, starts, 2};
  ASSERT_TRUE(batch.IsSound());
  std::vector<bool> during;
  size_t failed = 99;
  EXPECT_EQ(ForEachCopy(batch, &failed,
                        [&](CUdeviceptr, CUdeviceptr, size_t, bool during_call) {
                          during.push_back(during_call);
                          return CUDA_SUCCESS;
                        }),
            CUDA_SUCCESS);
  EXPECT_EQ(during, (std::vector<bool>{true, true, false}));
  EXPECT_EQ(failed, 99u);
}

TEST(CopyBatch, EndsAtTheFirstThatIsRefusedAndSaysWhich) {
  const CUmemcpyAttributes attributes[] = {Order(CU_MEMCPY_SRC_ACCESS_ORDER_STREAM)};
  const size_t starts[] = {0};
  const CopyBatch batch{kTo, kFrom, kBytes, 3, attributes, starts, 1};
  size_t failed = 99;
  EXPECT_EQ(ForEachCopy(batch, &failed,
                        [](CUdeviceptr to, CUdeviceptr, size_t, bool) {
                          return to == 20 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
                        }),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(failed, 1u);
}

TEST(CopyBatch, AttributesBeginWithTheFirstCopyAndAscend) {
  const CUmemcpyAttributes attributes[] = {Order(CU_MEMCPY_SRC_ACCESS_ORDER_STREAM),
                                           Order(CU_MEMCPY_SRC_ACCESS_ORDER_STREAM)};
  for (const auto& starts : {std::vector<size_t>{1, 2}, {0, 0}, {0, 3}}) {
    EXPECT_FALSE((CopyBatch{kTo, kFrom, kBytes, 3, attributes, starts.data(), 2}.IsSound()));
  }
  const size_t starts[] = {0};
  const CUmemcpyAttributes wrong[] = {Order(static_cast<CUmemcpySrcAccessOrder>(0))};
  EXPECT_FALSE((CopyBatch{kTo, kFrom, kBytes, 3, wrong, starts, 1}.IsSound()));
  EXPECT_FALSE((CopyBatch{kTo, kFrom, kBytes, 0, attributes, starts, 1}.IsSound()));
}

CUDA_MEMCPY3D_BATCH_OP Box() {
  CUDA_MEMCPY3D_BATCH_OP box{};
  box.src.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
  box.src.op.ptr.ptr = 0x1000;
  box.dst.type = CU_MEMCPY_OPERAND_TYPE_POINTER;
  box.dst.op.ptr.ptr = 0x2000;
  box.extent = {8, 4, 2};
  box.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
  return box;
}

TEST(CopyBatch, ABoxBetweenPointersIsMeasuredInBytes) {
  CUDA_MEMCPY3D_BATCH_OP box = Box();
  box.dst.op.ptr.rowLength = 16;
  box.dst.op.ptr.layerHeight = 5;
  CUDA_MEMCPY3D copy{};
  ASSERT_EQ(DescribeBox(box, NoArray, &copy), CUDA_SUCCESS);
  EXPECT_EQ(copy.WidthInBytes, 8u);
  EXPECT_EQ(copy.srcPitch, 8u);
  EXPECT_EQ(copy.srcHeight, 4u);
  EXPECT_EQ(copy.dstPitch, 16u);
  EXPECT_EQ(copy.dstHeight, 5u);
  EXPECT_EQ(copy.Depth, 2u);
}

TEST(CopyBatch, ABoxOfAnArrayIsMeasuredInItsElements) {
  CUDA_MEMCPY3D_BATCH_OP box = Box();
  box.src.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
  box.src.op.array.array = nullptr;
  box.src.op.array.offset = {3, 2, 1};
  CUDA_MEMCPY3D copy{};
  ASSERT_EQ(DescribeBox(box, FourBytes, &copy), CUDA_SUCCESS);
  EXPECT_EQ(copy.WidthInBytes, 32u);
  EXPECT_EQ(copy.srcXInBytes, 12u);
  EXPECT_EQ(copy.srcY, 2u);
  EXPECT_EQ(copy.srcZ, 1u);
  EXPECT_EQ(copy.dstPitch, 32u);
  EXPECT_EQ(DescribeBox(box, NoArray, &copy), CUDA_ERROR_INVALID_HANDLE);
}

TEST(CopyBatch, NumbersThatWouldWrapAreRefused) {
  CUDA_MEMCPY3D copy{};
  CUDA_MEMCPY3D_BATCH_OP box = Box();
  box.extent.width = SIZE_MAX / 2;
  EXPECT_EQ(DescribeBox(box, NoArray, &copy), CUDA_ERROR_INVALID_VALUE);
  box = Box();
  box.dst.op.ptr.rowLength = SIZE_MAX / 4;
  EXPECT_EQ(DescribeBox(box, NoArray, &copy), CUDA_ERROR_INVALID_VALUE);
  box = Box();
  box.src.type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
  box.src.op.array.offset = {SIZE_MAX / 2, 0, 0};
  EXPECT_EQ(DescribeBox(box, FourBytes, &copy), CUDA_ERROR_INVALID_VALUE);
  box = Box();
  box.src.type = static_cast<CUmemcpy3DOperandType>(7);
  EXPECT_EQ(DescribeBox(box, NoArray, &copy), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::abi
