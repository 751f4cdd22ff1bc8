// SPDX-License-Identifier: Apache-2.0
// The rules of capturing streams.
#include "protocol/graph/captures.h"

#include <thread>

#include <gtest/gtest.h>

namespace farlane::graph {
namespace {

constexpr wire::Handle kContext = 7;
constexpr StreamTraits kLegacy{.handle = 0, .context = kContext, .blocking = true};
constexpr StreamTraits kFirst{.handle = 101, .context = kContext, .blocking = false};
constexpr StreamTraits kSecond{.handle = 102, .context = kContext, .blocking = false};
constexpr StreamTraits kBlocking{.handle = 103, .context = kContext, .blocking = true};
constexpr wire::Handle kEvent = 201;
constexpr wire::Handle kOtherEvent = 202;
constexpr auto kGlobal = CU_STREAM_CAPTURE_MODE_GLOBAL;
constexpr auto kThreadLocal = CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
constexpr auto kRelaxed = CU_STREAM_CAPTURE_MODE_RELAXED;

class CapturesTest : public testing::Test {
 protected:
  void Begin(const StreamTraits& stream, CUstreamCaptureMode mode = kGlobal) {
    ASSERT_EQ(captures_.Begin(stream, mode, 0, {}), CUDA_SUCCESS);
  }

  CUresult Add(const StreamTraits& stream) {
    return captures_.Append(stream.handle, std::make_shared<Command>(CU_GRAPH_NODE_TYPE_KERNEL));
  }

  CUresult Wait(const StreamTraits& stream, wire::Handle event) {
    CUresult result = CUDA_SUCCESS;
    EXPECT_TRUE(captures_.WaitEvent(stream, event, &result));
    return result;
  }

  CUstreamCaptureStatus Status(const StreamTraits& stream) {
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    EXPECT_EQ(captures_.Tell(stream, {.status = &status}), CUDA_SUCCESS);
    return status;
  }

  CUresult End(const StreamTraits& stream) {
    graph_ = 0;
    return captures_.End(stream.handle, &graph_);
  }

  size_t Nodes() {
    size_t count = 0;
    EXPECT_EQ(graphs_.Nodes(graph_, false, nullptr, &count), CUDA_SUCCESS);
    return count;
  }

  Graphs graphs_;
  Captures captures_{graphs_};
  wire::Handle graph_ = 0;
};

TEST_F(CapturesTest, NobodyAsksWhileNothingIsCaptured) {
  EXPECT_FALSE(captures_.busy());
  Begin(kFirst);
  EXPECT_TRUE(captures_.busy());
  EXPECT_EQ(End(kFirst), CUDA_SUCCESS);
  EXPECT_FALSE(captures_.busy());
}

TEST_F(CapturesTest, AForkThatIsJoinedIsOneGraph) {
  Begin(kFirst);
  EXPECT_EQ(Add(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(Wait(kSecond, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(Status(kSecond), CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_EQ(Add(kSecond), CUDA_SUCCESS);
  EXPECT_EQ(Add(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(captures_.RecordEvent(kSecond.handle, kOtherEvent), CUDA_SUCCESS);
  EXPECT_EQ(Wait(kFirst, kOtherEvent), CUDA_SUCCESS);
  EXPECT_EQ(Add(kFirst), CUDA_SUCCESS);
  ASSERT_EQ(End(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(Nodes(), 4u);
  EXPECT_EQ(Status(kSecond), CU_STREAM_CAPTURE_STATUS_NONE);

  std::vector<Step> steps;
  ASSERT_EQ(graphs_.Steps(graph_, &steps), CUDA_SUCCESS);
  EXPECT_TRUE(steps[0].after.empty());
  EXPECT_EQ(steps[1].after, std::vector<uint32_t>({0}));
  EXPECT_EQ(steps[2].after, std::vector<uint32_t>({0}));
  EXPECT_EQ(steps[3].after.size(), 2u) << "the join comes behind both branches";
}

TEST_F(CapturesTest, ABranchThatNobodyWaitsForIsUnjoined) {
  Begin(kFirst);
  EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(Wait(kSecond, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(Add(kSecond), CUDA_SUCCESS);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  EXPECT_FALSE(captures_.busy());
}

TEST_F(CapturesTest, OnlyTheOriginEndsIt) {
  Begin(kFirst);
  EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(Wait(kSecond, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(End(kSecond), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  EXPECT_EQ(End(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_ILLEGAL_STATE);
}

TEST_F(CapturesTest, AnotherThreadEndsOnlyARelaxedOne) {
  Begin(kFirst, kThreadLocal);
  Begin(kSecond, kRelaxed);
  std::thread([this] {
    EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
    EXPECT_EQ(End(kSecond), CUDA_SUCCESS);
  }).join();
  EXPECT_EQ(End(kFirst), CUDA_SUCCESS);
}

TEST_F(CapturesTest, TwoCapturesAreNotJoined) {
  Begin(kFirst);
  Begin(kSecond);
  EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(Wait(kSecond, kEvent), CUDA_ERROR_STREAM_CAPTURE_MERGE);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(End(kSecond), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(CapturesTest, WorkFromOutsideIsKeptOut) {
  Begin(kFirst);
  EXPECT_EQ(Wait(kFirst, kEvent), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);

  // And what a capture has marked is nothing to wait for when it is over.
  Begin(kFirst);
  EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(End(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(captures_.AskEvent(kEvent), CUDA_ERROR_CAPTURED_EVENT);
  EXPECT_EQ(Wait(kSecond, kEvent), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  captures_.ForgetEvent(kEvent);
  EXPECT_EQ(captures_.AskEvent(kEvent), CUDA_SUCCESS);
}

TEST_F(CapturesTest, AQuestionAboutAMarkSpoilsItsCapture) {
  Begin(kFirst);
  EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
  EXPECT_EQ(captures_.AskEvent(kEvent), CUDA_ERROR_CAPTURED_EVENT);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(CapturesTest, WaitingForAContextSpoilsItsCapturesOnly) {
  Begin(kFirst);
  EXPECT_EQ(captures_.SpoilContext(kFirst.context + 1), CUDA_SUCCESS);
  EXPECT_EQ(captures_.SpoilContext(kFirst.context), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(CapturesTest, TheLegacyStreamSpoilsCapturesOfBlockingStreamsOnly) {
  CUresult result = CUDA_SUCCESS;
  Begin(kFirst);
  EXPECT_EQ(captures_.StandingOf(kLegacy, &result), Standing::kFree);
  Begin(kBlocking);
  EXPECT_EQ(captures_.StandingOf(kLegacy, &result), Standing::kRefused);
  EXPECT_EQ(result, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  EXPECT_EQ(Status(kBlocking), CU_STREAM_CAPTURE_STATUS_INVALIDATED);
  EXPECT_EQ(Status(kFirst), CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_EQ(captures_.Begin(kLegacy, kGlobal, 0, {}), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST_F(CapturesTest, ASpoiledCaptureTakesNothingMore) {
  Begin(kFirst);
  EXPECT_EQ(captures_.Spoil(kFirst.handle), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  CUresult result = CUDA_SUCCESS;
  EXPECT_EQ(captures_.StandingOf(kFirst, &result), Standing::kRefused);
  EXPECT_EQ(result, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(End(kFirst), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

struct SafetyCase {
  CUstreamCaptureMode captured;
  CUstreamCaptureMode mine;
  bool same_thread;
  bool safe;
};

class Safety : public CapturesTest, public testing::WithParamInterface<SafetyCase> {};

TEST_P(Safety, FollowsTheModesOfCaptureAndThread) {
  const SafetyCase& one = GetParam();
  Begin(kFirst, one.captured);
  CUresult result = CUDA_SUCCESS;
  const auto ask = [&] { result = captures_.CheckSafe(one.mine); };
  if (one.same_thread) {
    ask();
  } else {
    std::thread(ask).join();
  }
  EXPECT_EQ(result, one.safe ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EXPECT_EQ(Status(kFirst),
            one.safe ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_INVALIDATED);
}

INSTANTIATE_TEST_SUITE_P(AllModes,
                         Safety,
                         testing::Values(SafetyCase{kGlobal, kGlobal, true, false},
                                         SafetyCase{kGlobal, kGlobal, false, false},
                                         SafetyCase{kGlobal, kThreadLocal, false, true},
                                         SafetyCase{kGlobal, kThreadLocal, true, false},
                                         SafetyCase{kGlobal, kRelaxed, true, true},
                                         SafetyCase{kThreadLocal, kGlobal, true, false},
                                         SafetyCase{kThreadLocal, kGlobal, false, true},
                                         SafetyCase{kRelaxed, kGlobal, true, true},
                                         SafetyCase{kRelaxed, kGlobal, false, true}));

TEST_F(CapturesTest, ItsDependenciesCanBeReplaced) {
  Begin(kFirst);
  EXPECT_EQ(Add(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(captures_.Update(kFirst.handle, {}, true), CUDA_SUCCESS);
  EXPECT_EQ(Add(kFirst), CUDA_SUCCESS);
  EXPECT_EQ(captures_.Update(kFirst.handle, {{.from = 999, .data = {}}}, false),
            CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(End(kFirst), CUDA_SUCCESS);
  size_t roots = 0;
  EXPECT_EQ(graphs_.Nodes(graph_, true, nullptr, &roots), CUDA_SUCCESS);
  EXPECT_EQ(roots, 2u);
}

TEST_F(CapturesTest, AStreamThatGoesTakesItsCaptureWithIt) {
  Begin(kFirst);
  captures_.ForgetStream(kFirst.handle);
  EXPECT_FALSE(captures_.busy());
  EXPECT_EQ(End(kFirst), CUDA_ERROR_ILLEGAL_STATE);
}

TEST_F(CapturesTest, AStreamThatOnlyCollectsForbidsNothingAndIsNotSpoiled) {
  captures_.Collect(kFirst);
  EXPECT_EQ(captures_.CheckSafe(kGlobal), CUDA_SUCCESS);
  EXPECT_EQ(captures_.SpoilContext(kContext), CUDA_SUCCESS);
  EXPECT_EQ(Add(kFirst), CUDA_SUCCESS);
  CUresult result = CUDA_SUCCESS;
  EXPECT_EQ(captures_.StandingOf(kLegacy, &result), Standing::kFree);
  EXPECT_EQ(captures_.TakeCollected(kFirst.handle).size(), 1u);
  EXPECT_FALSE(captures_.busy());
  EXPECT_TRUE(captures_.TakeCollected(kFirst.handle).empty());
}

TEST_F(CapturesTest, AStreamThatWasWaitedForMayGoAndAnotherMayNot) {
  for (const bool waited : {true, false}) {
    Begin(kFirst);
    EXPECT_EQ(captures_.RecordEvent(kFirst.handle, kEvent), CUDA_SUCCESS);
    EXPECT_EQ(Wait(kSecond, kEvent), CUDA_SUCCESS);
    EXPECT_EQ(Add(kSecond), CUDA_SUCCESS);
    EXPECT_EQ(captures_.RecordEvent(kSecond.handle, kOtherEvent), CUDA_SUCCESS);
    if (waited) {
      EXPECT_EQ(Wait(kFirst, kOtherEvent), CUDA_SUCCESS);
    }
    captures_.ForgetStream(kSecond.handle);
    EXPECT_EQ(End(kFirst), waited ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  }
}

}  // namespace
}  // namespace farlane::graph
