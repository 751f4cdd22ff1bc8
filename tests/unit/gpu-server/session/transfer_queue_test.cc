// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/transfer_queue.h"

#include <gtest/gtest.h>

#include "tests/support/memory_stream.h"

namespace farlane::server {
namespace {

CUresult Create(CUevent* event, unsigned int) {
  *event = nullptr;
  return CUDA_SUCCESS;
}

CUresult Record(CUevent, CUstream) {
  return CUDA_SUCCESS;
}

CUresult Query(CUevent) {
  return CUDA_SUCCESS;
}

CUresult Register(void*, size_t, unsigned int) {
  return CUDA_SUCCESS;
}

CUresult Unregister(void*) {
  return CUDA_SUCCESS;
}

CUresult SetCurrent(CUcontext) {
  return CUDA_SUCCESS;
}

// A client that would use the window again the moment that something reaches it.
class QuickClient final : public transport::Stream {
 public:
  Result<size_t> Write(std::span<const iovec> parts) override {
    room_at_writes_ += queue->HasRoomOut(kTransferWindowBytes) ? 1 : 0;
    ++writes_;
    return stream_.Write(parts);
  }

  Result<transport::Transfer> Read(Bytes into) override { return stream_.Read(into); }

  Result<bool> Wait(transport::Interest, transport::Deadline) override { return true; }

  void Shutdown() override {}

  int WaitFd() const override { return -1; }

  const char* name() const override { return "quick"; }

  size_t writes() const { return writes_; }

  size_t room_at_writes() const { return room_at_writes_; }

  const TransferQueue* queue = nullptr;

 private:
  testing::MemoryStream stream_;
  size_t writes_ = 0;
  size_t room_at_writes_ = 0;
};

class TransferQueueTest : public ::testing::Test {
 protected:
  TransferQueueTest() {
    table_.cuEventCreate = Create;
    table_.cuEventRecord = Record;
    table_.cuEventQuery = Query;
    table_.cuMemHostRegister_v2 = Register;
    table_.cuMemHostUnregister = Unregister;
    table_.cuCtxSetCurrent = SetCurrent;
    client_.queue = &queue_;
  }

  DriverTable table_{};
  QuickClient client_;
  Wakeup wakeup_;
  Outbox outbox_{client_, wakeup_};
  ContextPtr context_ = std::make_shared<ContextState>(table_, nullptr, 0, true);
  TransferQueue queue_{table_, outbox_};
};

// A whole window at once: what follows it comes as soon as the client has heard that it is done.
TEST_F(TransferQueueTest, TheWindowIsFreeWhenTheClientHearsOfIt) {
  const auto transfer = std::make_shared<OutTransfer>();
  for (uint64_t at = 0; at < kTransferWindowBytes; at += kStagingLargeBytes) {
    queue_.AddOut(context_, nullptr,
                  {.transfer = transfer,
                   .block = context_->staging.Take(kStagingLargeBytes),
                   .bytes = kStagingLargeBytes,
                   .offset = at,
                   .last = at + kStagingLargeBytes == kTransferWindowBytes},
                  CUDA_SUCCESS);
  }
  ASSERT_FALSE(queue_.HasRoomOut(1));

  queue_.SendAllCompleted(context_.get());

  ASSERT_GT(client_.writes(), 0u);
  EXPECT_EQ(client_.room_at_writes(), 1u);  // the last write, with the news, and no other
  EXPECT_TRUE(queue_.empty());
}

}  // namespace
}  // namespace farlane::server
