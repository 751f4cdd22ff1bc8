// SPDX-License-Identifier: Apache-2.0
// Streams, events and contexts: handles proved, waits that hold nobody up.
#include <gtest/gtest.h>

#include "tests/support/image_client.h"
#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

constexpr wire::Handle Stream(uint32_t index, uint32_t generation = 1) {
  return wire::MakeHandle(wire::HandleKind::kStream, index, generation);
}

constexpr wire::Handle Event(uint32_t index) {
  return wire::MakeHandle(wire::HandleKind::kEvent, index, 1);
}

class StreamMessages : public testing::Test {
 protected:
  StreamMessages() {
    fixture_.UseContext();
    LoadTestImage(client());
  }

  ScriptedClient& client() { return fixture_.client(); }

  SessionFixture fixture_;
};

TEST_F(StreamMessages, UnknownHandlesAreRefusedAndNothingElseHappens) {
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(5)}),
            CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Event(0)}), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().Call(wire::EventQuery{.hEvent = UINT64_MAX}), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().Call(wire::ContextSynchronize{.context = Stream(0)}),
            CUDA_ERROR_INVALID_CONTEXT);
  client().Post(wire::EventRecord{.hEvent = Event(1), .hStream = 0});
  client().Post(wire::StreamDestroy{.hStream = Stream(9)});
  client().Post(wire::ImageUnload{.module = 1});
  client().Post(wire::KernelBind{.module = 1, .function = TestFunction(50), .index = 0});

  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  ASSERT_EQ(client().failures.size(), 4u);
  for (const wire::PostFailed& failure : client().failures) {
    EXPECT_EQ(failure.result, CUDA_ERROR_INVALID_HANDLE);
  }
}

TEST_F(StreamMessages, AnotherClientDoesNotNoticeARefusal) {
  SessionFixture other;
  other.UseContext();
  other.client().Post(wire::StreamCreateWithPriority{.phStream = Stream(3)});
  ASSERT_EQ(other.client().Call(wire::StreamQuery{.hStream = Stream(3)}), CUDA_SUCCESS);

  // A handle of another client means nothing here.
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(3)}), CUDA_ERROR_INVALID_HANDLE);

  EXPECT_EQ(other.client().Call(wire::StreamQuery{.hStream = Stream(3)}), CUDA_SUCCESS);
  EXPECT_TRUE(other.client().failures.empty());
}

TEST_F(StreamMessages, ADestroyedStreamsHandleIsDead) {
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Post(wire::StreamDestroy{.hStream = Stream(0)});
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(0)}), CUDA_ERROR_INVALID_HANDLE);

  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0, 2)});
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(0, 2)}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(0)}), CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(StreamMessages, ASettingReachesTheStreamIfItIsOneOfStreams) {
  CUstreamAttrValue value{};
  const ConstBytes bytes(reinterpret_cast<const std::byte*>(&value), sizeof value);
  const auto set = [&](wire::Handle stream, CUstreamAttrID id) {
    client().Post(wire::StreamAttribute{.stream = stream, .attribute = id, .value = bytes});
  };
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  value.syncPolicy = CU_SYNC_POLICY_SPIN;
  set(Stream(0), CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY);
  set(0, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY);
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(0)}), CUDA_SUCCESS);
  EXPECT_TRUE(client().failures.empty());

  set(Stream(7), CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY);
  // It holds an event's handle, which is the server's driver's own.
  set(Stream(0), CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT);
  set(Stream(0), static_cast<CUstreamAttrID>(-3));
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(0)}), CUDA_SUCCESS);
  ASSERT_EQ(client().failures.size(), 3u);
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().failures[1].result, CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(client().failures[2].result, CUDA_ERROR_INVALID_VALUE);
}

TEST_F(StreamMessages, ASettingOfAnotherSizeIsABreach) {
  const std::byte few[8] = {};
  client().Post(
      wire::StreamAttribute{.attribute = CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY, .value = few});
  client().Flush();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), wire::WireError::kBadValue);
}

TEST_F(StreamMessages, AHandleInUseCannotBeGivenAgain) {
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), wire::WireError::kBadReference);
}

TEST_F(StreamMessages, AWaitHoldsNobodyUp) {
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(1)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{700}), Stream(0));

  const wire::Sequence slow = client().Post(wire::StreamSynchronize{.hStream = Stream(0)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{1}), Stream(1));
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(1)}), CUDA_SUCCESS);

  EXPECT_FALSE(client().HasReply(slow));
  EXPECT_EQ(client().WaitForReply(slow), CUDA_SUCCESS);
}

TEST_F(StreamMessages, AFenceHoldsBackWhatComesAfterOnOtherStreams) {
  for (uint32_t i = 0; i < 3; ++i) {
    client().Post(wire::StreamCreateWithPriority{.phStream = Stream(i)});
  }
  LaunchKernel(client(), kSpin, Pack(uint32_t{300}), Stream(0));
  client().Post(wire::StreamFence{.stream = Stream(0)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{1}), Stream(1));
  // A question is no work: the stream has nothing to do.
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(2)}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(1)}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(0)}), CUDA_SUCCESS);
}

TEST_F(StreamMessages, ManyFencesHoldBackAsOne) {
  constexpr uint32_t kStreams = 20;
  for (uint32_t i = 0; i < kStreams + 1; ++i) {
    client().Post(wire::StreamCreateWithPriority{.phStream = Stream(i)});
  }
  for (uint32_t i = 0; i < kStreams; ++i) {
    LaunchKernel(client(), kSpin, Pack(uint32_t{100}), Stream(i));
    client().Post(wire::StreamFence{.stream = Stream(i)});
  }
  LaunchKernel(client(), kSpin, Pack(uint32_t{1}), Stream(kStreams));
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(kStreams)}), CUDA_SUCCESS);
  for (uint32_t i = 0; i < kStreams; ++i) {
    EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(i)}), CUDA_SUCCESS) << i;
  }
}

TEST_F(StreamMessages, AFenceOfNoStreamIsRefused) {
  client().Post(wire::StreamFence{.stream = Stream(9)});
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  ASSERT_EQ(client().failures.size(), 1u);
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(StreamMessages, ThirtyWaitsAtOnceAreAllAnswered) {
  std::vector<wire::Sequence> waits;
  for (uint32_t i = 0; i < 30; ++i) {
    client().Post(wire::StreamCreateWithPriority{.phStream = Stream(i)});
    LaunchKernel(client(), kSpin, Pack(uint32_t{50 + i}), Stream(i));
    waits.push_back(client().Post(wire::StreamSynchronize{.hStream = Stream(i)}));
  }
  client().Flush();

  for (const wire::Sequence wait : waits) {
    EXPECT_EQ(client().WaitForReply(wait), CUDA_SUCCESS);
  }
}

TEST_F(StreamMessages, EventsKeepTheOrderBetweenStreams) {
  const uint64_t address = fixture_.UseMemory();
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(1)});
  client().Post(wire::EventCreate{.phEvent = Event(0)});
  client().Post(wire::MemsetD8Async{.dstDevice = address, .uc = 0, .N = 4, .hStream = Stream(0)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{200}), Stream(0));
  LaunchKernel(client(), kAddOne, Pack(address, uint32_t{1}), Stream(0));
  client().Post(wire::EventRecord{.hEvent = Event(0), .hStream = Stream(0)});
  client().Post(wire::StreamWaitEvent{.hStream = Stream(1), .hEvent = Event(0)});
  client().Post(
      wire::CopyOut{.transfer = 1, .address = address, .stream = Stream(1), .width = 4, .rows = 1});
  EXPECT_EQ(client().Call(wire::EventQuery{.hEvent = Event(0)}), CUDA_ERROR_NOT_READY);

  ASSERT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(1)}), CUDA_SUCCESS);

  EXPECT_EQ(client().arrived[1], Pack(uint32_t{1}));
  EXPECT_EQ(client().Call(wire::EventSynchronize{.hEvent = Event(0)}), CUDA_SUCCESS);
}

TEST_F(StreamMessages, AnEventOfAContextIsReachedBehindAllItsStreams) {
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(1)});
  client().Post(wire::EventCreate{.phEvent = Event(0)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{300}), Stream(0));
  client().Post(wire::ContextRecord{.context = SessionFixture::kContext, .event = Event(0)});
  EXPECT_EQ(client().Call(wire::EventQuery{.hEvent = Event(0)}), CUDA_ERROR_NOT_READY);
  client().Post(wire::ContextWait{.context = SessionFixture::kContext, .event = Event(0)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{1}), Stream(1));
  EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = Stream(1)}), CUDA_SUCCESS);
  EXPECT_EQ(client().Call(wire::EventQuery{.hEvent = Event(0)}), CUDA_SUCCESS);
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(StreamMessages, AContextOrEventThatIsNoneIsRefusedWithItsCode) {
  client().Post(wire::EventCreate{.phEvent = Event(0)});
  client().Post(wire::ContextRecord{.context = Stream(0), .event = Event(0)});
  client().Post(wire::ContextRecord{.context = SessionFixture::kContext, .event = Event(1)});
  client().Post(wire::ContextWait{.context = Event(0), .event = Event(0)});
  client().Post(wire::ContextWait{.context = SessionFixture::kContext, .event = Stream(0)});
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  ASSERT_EQ(client().failures.size(), 4u);
  EXPECT_EQ(client().failures[0].result, CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(client().failures[1].result, CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().failures[2].result, CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(client().failures[3].result, CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(StreamMessages, AtomicOperationsOfADeviceThatIsNoneAreRefused) {
  const CUatomicOperation add = CU_ATOMIC_OPERATION_INTEGER_ADD;
  const ConstBytes bytes(reinterpret_cast<const std::byte*>(&add), sizeof add);
  EXPECT_EQ(client().Call(wire::PeerAtomics{.source = 0, .target = 99, .operations = bytes}),
            CUDA_ERROR_INVALID_DEVICE);
  EXPECT_EQ(client().Call(wire::PeerAtomics{.source = -1, .target = 0, .operations = bytes}),
            CUDA_ERROR_INVALID_DEVICE);
}

TEST_F(StreamMessages, HalfAnAtomicOperationIsABreach) {
  const std::byte few[6] = {};
  client().Post(wire::PeerAtomics{.source = 0, .target = 0, .operations = few});
  client().Flush();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), wire::WireError::kBadValue);
}

TEST_F(StreamMessages, AWatchIsReachedUnaskedAndAfterItsData) {
  const uint64_t address = fixture_.UseMemory();
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(1)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{300}), Stream(0));
  client().Post(wire::CopyOut{
      .transfer = 1, .address = address, .stream = Stream(0), .width = 5000, .rows = 1});
  const wire::Sequence slow = client().Post(wire::Watch{.stream = Stream(0)});
  const wire::Sequence quick = client().Post(wire::Watch{.stream = Stream(1)});
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().reached.contains(quick); }));
  EXPECT_FALSE(client().reached.contains(slow));
  ASSERT_TRUE(client().PumpUntil([&] { return client().reached.contains(slow); }));
  EXPECT_EQ(client().reached[slow], CUDA_SUCCESS);
  EXPECT_TRUE(client().ended.contains(1));
}

TEST_F(StreamMessages, AWatchOfNothingIsReachedWithAnError) {
  const wire::Sequence unknown = client().Post(wire::Watch{.stream = Stream(7)});
  client().Flush();

  ASSERT_TRUE(client().PumpUntil([&] { return client().reached.contains(unknown); }));
  EXPECT_EQ(client().reached[unknown], CUDA_ERROR_INVALID_HANDLE);
}

TEST_F(StreamMessages, MoreWatchesThanAnybodyNeedsEndTheSession) {
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  LaunchKernel(client(), kSpin, Pack(uint32_t{3000}), Stream(0));
  for (size_t i = 0; i <= TransferQueue::kWatchesMax; ++i) {
    client().Post(wire::Watch{.stream = Stream(0)});
  }
  client().Flush();

  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(fixture_.breach(), wire::WireError::kBadValue);
}

TEST_F(StreamMessages, WhatWasReadIsAcknowledged) {
  const wire::Sequence last = client().Post(wire::EventCreate{.phEvent = Event(0)});
  client().Flush();

  EXPECT_TRUE(client().PumpUntil([&] { return client().executed() >= last; }));
}

TEST_F(StreamMessages, AContextTakesItsObjectsWithIt) {
  client().Post(wire::StreamCreateWithPriority{.phStream = Stream(0)});
  ASSERT_EQ(client().Call(wire::PrimaryRelease{.context = SessionFixture::kContext, .device = 0}),
            CUDA_SUCCESS);

  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = Stream(0)}), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(client().Call(wire::ContextSynchronize{.context = SessionFixture::kContext}),
            CUDA_ERROR_INVALID_CONTEXT);
  LaunchKernel(client(), kSpin, Pack(uint32_t{0}));
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_ERROR_INVALID_CONTEXT);
  EXPECT_EQ(client().failures.size(), 1u);
}

TEST_F(StreamMessages, AReleasedPrimaryContextComesBackAsTheCurrentOne) {
  ASSERT_EQ(client().Call(wire::PrimaryRelease{.context = SessionFixture::kContext, .device = 0}),
            CUDA_SUCCESS);
  ASSERT_EQ(client().Call(wire::PrimaryRetain{.context = SessionFixture::kContext, .device = 0}),
            CUDA_SUCCESS);

  // The client has said SetContext once and does not repeat itself.
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
}

TEST_F(StreamMessages, MessagesDoNotRunInTheContextBeforeOneThatIsUnknown) {
  client().Post(wire::SetContext{.context = wire::MakeHandle(wire::HandleKind::kContext, 9, 1)});

  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_ERROR_INVALID_CONTEXT);
  ASSERT_EQ(client().failures.size(), 1u);
}

TEST_F(StreamMessages, AClientThatDoesNotReadIsServedAgainWhenItDoes) {
  const uint64_t address = fixture_.UseMemory(16_MiB);
  // Four windows of answers, none of them read while they are asked for.
  constexpr uint64_t kTransfers = 4;
  for (uint64_t transfer = 1; transfer <= kTransfers; ++transfer) {
    client().Post(
        wire::CopyOut{.transfer = transfer, .address = address, .width = 15_MiB, .rows = 1});
    client().Post(wire::StreamSynchronize{});
  }
  client().Flush();
  usleep(300'000);

  EXPECT_TRUE(client().PumpUntil([&] { return client().ended.size() == kTransfers; }));
  EXPECT_EQ(client().arrived[kTransfers].size(), 15_MiB);
}

}  // namespace
}  // namespace farlane::server
