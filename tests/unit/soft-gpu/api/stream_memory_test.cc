// SPDX-License-Identifier: Apache-2.0
// Streams that wait for words of memory and write them.
#include <cstring>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

class StreamMemory : public SoftProgram {
 protected:
  void SetUp() override {
    SoftProgram::SetUp();
    ASSERT_EQ(cuStreamCreate(&waiting_, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&writing_, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
    word_ = Allocate(64);
    ASSERT_EQ(cuMemsetD8_v2(word_, 0, 64, nullptr), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  }

  // Whether the stream that waits goes on exactly when the word becomes `value`.
  void ExpectWaitsFor(uint32_t value) {
    EXPECT_EQ(cuStreamQuery(waiting_), CUDA_ERROR_NOT_READY);
    ASSERT_EQ(cuStreamWriteValue32_v2(writing_, word_, value, 0), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamSynchronize(waiting_), CUDA_SUCCESS);
  }

  CUstream waiting_ = nullptr;
  CUstream writing_ = nullptr;
  CUdeviceptr word_ = 0;
};

TEST_F(StreamMemory, AStreamWaitsForEqualAndForGreaterInACircle) {
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 7, CU_STREAM_WAIT_VALUE_EQ), CUDA_SUCCESS);
  ExpectWaitsFor(7);
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 8, CU_STREAM_WAIT_VALUE_GEQ), CUDA_SUCCESS);
  ExpectWaitsFor(100);
  ASSERT_EQ(cuStreamWriteValue32_v2(writing_, word_, 0xfffffff0, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(writing_), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 3, CU_STREAM_WAIT_VALUE_GEQ), CUDA_SUCCESS);
  ExpectWaitsFor(5);
}

TEST_F(StreamMemory, AStreamWaitsForBitsAndForTheirAbsence) {
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 6, CU_STREAM_WAIT_VALUE_AND), CUDA_SUCCESS);
  ExpectWaitsFor(2);
  ASSERT_EQ(cuStreamWriteValue32_v2(writing_, word_, 0xffffffff, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(writing_), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 1, CU_STREAM_WAIT_VALUE_NOR), CUDA_SUCCESS);
  ExpectWaitsFor(0xfffffffd);
}

TEST_F(StreamMemory, AnEventOfTheContextIsReachedBehindEveryStream) {
  CUevent event = nullptr;
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 1, CU_STREAM_WAIT_VALUE_EQ), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxRecordEvent(context_, event), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(writing_), CUDA_SUCCESS);
  EXPECT_EQ(cuEventQuery(event), CUDA_ERROR_NOT_READY);
  ExpectWaitsFor(1);
  EXPECT_EQ(cuEventSynchronize(event), CUDA_SUCCESS);
  float milliseconds = -1;
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, event, event), CUDA_SUCCESS);
  EXPECT_EQ(milliseconds, 0);
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
}

TEST_F(StreamMemory, AContextThatWaitsHoldsEveryStreamAndNoOtherContext) {
  CUevent event = nullptr;
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 1, CU_STREAM_WAIT_VALUE_EQ), CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(event, waiting_), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxWaitEvent(context_, event), CUDA_SUCCESS);
  CUstream later = nullptr;
  ASSERT_EQ(cuStreamCreate(&later, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  for (const CUstream stream : {later, writing_, CUstream{nullptr}}) {
    ASSERT_EQ(cuMemsetD8Async(word_ + 32, 3, 4, stream), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  }
  CUcontext other = nullptr;
  CUstream free = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamCreate(&free, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWriteValue32_v2(free, word_, 1, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(free), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxDestroy_v2(other), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(later), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
}

TEST_F(StreamMemory, ACaptureDoesNotSurviveAnEventOfItsContext) {
  CUevent event = nullptr;
  CUgraph graph = nullptr;
  ASSERT_EQ(cuEventCreate(&event, 0), CUDA_SUCCESS);
  for (const bool record : {true, false}) {
    ASSERT_EQ(cuStreamBeginCapture_v2(waiting_, CU_STREAM_CAPTURE_MODE_RELAXED), CUDA_SUCCESS);
    EXPECT_EQ(record ? cuCtxRecordEvent(context_, event) : cuCtxWaitEvent(context_, event),
              CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    EXPECT_EQ(cuStreamEndCapture(waiting_, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
  EXPECT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
}

TEST_F(StreamMemory, WordsOf64BitsAreWhole) {
  const uint64_t value = 0x1'0000'0002;
  ASSERT_EQ(cuStreamWaitValue64_v2(waiting_, word_ + 8, value, CU_STREAM_WAIT_VALUE_EQ),
            CUDA_SUCCESS);
  EXPECT_EQ(cuStreamQuery(waiting_), CUDA_ERROR_NOT_READY);
  ASSERT_EQ(cuStreamWriteValue64_v2(writing_, word_ + 8, value, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(waiting_), CUDA_SUCCESS);
}

TEST_F(StreamMemory, ABatchIsInOrderAndAllOrNothing) {
  CUstreamBatchMemOpParams operations[3];
  memset(operations, 0, sizeof operations);
  operations[0].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
  operations[0].writeValue.address = word_;
  operations[0].writeValue.value = 5;
  operations[1].waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
  operations[1].waitValue.address = word_;
  operations[1].waitValue.value = 6;
  operations[1].waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
  operations[2].writeValue = operations[0].writeValue;
  operations[2].writeValue.value = 9;
  ASSERT_EQ(cuStreamBatchMemOp_v2(waiting_, 3, operations, 0), CUDA_SUCCESS);
  uint32_t value = 0;
  while (value != 5) {
    ASSERT_EQ(cuMemcpyDtoHAsync_v2(&value, word_, 4, writing_), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamSynchronize(writing_), CUDA_SUCCESS);
  }
  ExpectWaitsFor(6);
  ASSERT_EQ(cuMemcpyDtoH_v2(&value, word_, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(value, 9u);

  operations[0].writeValue.value = 77;
  operations[2].writeValue.address = 8;
  EXPECT_EQ(cuStreamBatchMemOp_v2(waiting_, 3, operations, 0), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(cuStreamSynchronize(waiting_), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoH_v2(&value, word_, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(value, 9u);
}

TEST_F(StreamMemory, WhatCannotBeIsRefused) {
  EXPECT_EQ(cuStreamWriteValue32_v2(writing_, word_ + 2, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamWriteValue64_v2(writing_, word_ + 4, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamWriteValue32_v2(writing_, 4096, 1, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamWriteValue32_v2(writing_, word_, 1, 2), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 1, 4), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuStreamWaitValue32_v2(waiting_, word_, 1, CU_STREAM_WAIT_VALUE_FLUSH),
            CUDA_ERROR_NOT_SUPPORTED);
}

TEST_F(StreamMemory, AContextThatEndsDoesNotWaitForAValueThatNeverComes) {
  CUcontext other = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&other, 0, 0), CUDA_SUCCESS);
  CUstream stream = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitValue32_v2(stream, word_, 1, CU_STREAM_WAIT_VALUE_EQ), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxDestroy_v2(other), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::soft
