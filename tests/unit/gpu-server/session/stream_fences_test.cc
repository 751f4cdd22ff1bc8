// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/stream_fences.h"

#include <utility>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

// A driver of streams and events only; both are numbers.
struct Script {
  std::vector<bool> reached;                     // by event
  std::vector<std::pair<size_t, size_t>> waits;  // a stream, and the event it waits for
  std::vector<size_t> recorded_on;               // by event: the stream it was last recorded on
  CUresult record_result = CUDA_SUCCESS;
  CUresult wait_result = CUDA_SUCCESS;
  int queries = 0;
  std::vector<size_t> awaited;  // events that the thread itself has waited for
};

Script* script = nullptr;  // of the running test: the driver's functions are plain ones

CUevent EventOf(size_t number) {
  return reinterpret_cast<CUevent>(number + 1);
}

size_t NumberOf(CUevent event) {
  return reinterpret_cast<size_t>(event) - 1;
}

CUresult Create(CUevent* event, unsigned int) {
  *event = EventOf(script->reached.size());
  script->reached.push_back(false);
  script->recorded_on.push_back(0);
  return CUDA_SUCCESS;
}

CUresult Record(CUevent event, CUstream stream) {
  if (script->record_result == CUDA_SUCCESS) {
    script->reached[NumberOf(event)] = false;
    script->recorded_on[NumberOf(event)] = reinterpret_cast<size_t>(stream);
  }
  return script->record_result;
}

CUresult Query(CUevent event) {
  ++script->queries;
  return script->reached[NumberOf(event)] ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult Await(CUstream stream, CUevent event, unsigned int) {
  if (script->wait_result == CUDA_SUCCESS) {
    script->waits.emplace_back(reinterpret_cast<size_t>(stream), NumberOf(event));
  }
  return script->wait_result;
}

CUresult Synchronize(CUevent event) {
  script->awaited.push_back(NumberOf(event));
  return CUDA_SUCCESS;
}

class StreamFencesTest : public ::testing::Test {
 protected:
  StreamFencesTest() {
    script = &script_;
    table_.cuEventCreate = Create;
    table_.cuEventRecord = Record;
    table_.cuEventQuery = Query;
    table_.cuStreamWaitEvent = Await;
    table_.cuEventSynchronize = Synchronize;
  }

  ~StreamFencesTest() override { script = nullptr; }

  StreamFences::Place Stream(size_t number) const {
    return {.context = context_, .handle = number, .stream = reinterpret_cast<CUstream>(number)};
  }

  // The streams that `stream` has been made to wait for, since this was last asked.
  std::vector<size_t> WaitsOf(size_t stream) {
    fences_.Apply(Stream(stream));
    std::vector<size_t> fenced;
    for (const auto& [waiting, event] : std::exchange(script_.waits, {})) {
      EXPECT_EQ(waiting, stream);
      fenced.push_back(script_.recorded_on[event]);
    }
    return fenced;
  }

  Script script_;
  DriverTable table_{};
  ContextPtr context_ = std::make_shared<ContextState>(table_, nullptr, 0, true);
  StreamFences fences_{table_};
};

using Streams = std::vector<size_t>;

TEST_F(StreamFencesTest, EveryOtherStreamWaitsOnce) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);

  EXPECT_EQ(WaitsOf(2), Streams{1});
  EXPECT_EQ(WaitsOf(2), Streams{});
  EXPECT_EQ(WaitsOf(3), Streams{1});
  EXPECT_EQ(WaitsOf(1), Streams{});
}

TEST_F(StreamFencesTest, WhatIsReachedIsNotWaitedFor) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);
  script_.reached[0] = true;

  EXPECT_EQ(WaitsOf(2), Streams{});
  EXPECT_TRUE(fences_.empty());
}

TEST_F(StreamFencesTest, AStreamsLaterFenceIsWaitedForAgain) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);
  EXPECT_EQ(WaitsOf(2), Streams{1});
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);

  EXPECT_EQ(WaitsOf(2), Streams{1});
  EXPECT_EQ(WaitsOf(3), Streams{1});  // one wait is for both
}

TEST_F(StreamFencesTest, AFenceThatCannotBeMadeTakesNoOtherAway) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);
  script_.record_result = CUDA_ERROR_ILLEGAL_ADDRESS;
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_ERROR_ILLEGAL_ADDRESS);

  EXPECT_EQ(WaitsOf(2), Streams{1});
}

TEST_F(StreamFencesTest, AMarkThatIsThereAlreadyIsAFence) {
  std::shared_ptr<PooledEvent> mark;
  ASSERT_EQ(context_->events.Record(reinterpret_cast<CUstream>(1), &mark), CUDA_SUCCESS);
  fences_.Add(Stream(1), mark);

  EXPECT_EQ(script_.reached.size(), 1u);  // no other event was needed
  EXPECT_EQ(WaitsOf(2), Streams{1});
}

TEST_F(StreamFencesTest, WhoDoesNotWaitForItDoesNotAskTheDriver) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);
  EXPECT_EQ(WaitsOf(2), Streams{1});
  script_.queries = 0;

  EXPECT_FALSE(fences_.Apply(Stream(1)));
  EXPECT_FALSE(fences_.Apply(Stream(2)));
  EXPECT_EQ(script_.queries, 0);
  EXPECT_TRUE(fences_.Apply(Stream(3)));
}

TEST_F(StreamFencesTest, TheOrderHoldsWhereTheDriverTakesNoWait) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);
  script_.wait_result = CUDA_ERROR_OUT_OF_MEMORY;

  EXPECT_EQ(WaitsOf(2), Streams{});
  EXPECT_EQ(script_.awaited, std::vector<size_t>{0});
}

TEST_F(StreamFencesTest, ManyAreReplacedByOneThatWaitsForThem) {
  for (size_t stream = 1; stream <= 8; ++stream) {
    EXPECT_EQ(fences_.Add(Stream(stream)), CUDA_SUCCESS);
  }
  EXPECT_EQ(fences_.Add(Stream(9)), CUDA_SUCCESS);

  EXPECT_EQ(std::exchange(script_.waits, {}).size(), 8u);  // by the ninth itself
  EXPECT_EQ(WaitsOf(10), Streams{9});
}

TEST_F(StreamFencesTest, AContextTakesItsFencesAlong) {
  EXPECT_EQ(fences_.Add(Stream(1)), CUDA_SUCCESS);
  fences_.Forget(context_);

  EXPECT_TRUE(fences_.empty());
  EXPECT_EQ(WaitsOf(2), Streams{});
}

}  // namespace
}  // namespace farlane::server
