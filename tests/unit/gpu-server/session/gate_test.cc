// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/gate.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "protocol/base/clock.h"
#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

constexpr uint64_t kPatienceNs = 20'000'000'000;

// A session with a gate, and what a daemon would do with it.
class GateTest : public testing::Test {
 protected:
  GateTest() {
    fixture_.UseContext();
    address_ = fixture_.UseMemory();
    EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  }

  // The client's end is seen only by who reads.
  ~GateTest() override { fixture_.session().gate().Detach(); }

  ScriptedClient& client() { return fixture_.client(); }

  void Attach() {
    const size_t count = fixture_.session().devices_count();
    Fd bell(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    bell_ = Fd(dup(bell.get()));
    fixture_.session().gate().Attach(TurnMemory::Take(grants_.descriptor(), count, false).value(),
                                     TurnMemory::Take(uses_.descriptor(), count, true).value(),
                                     std::move(bell), [rung = rung_] { ++*rung; });
  }

  void Allow(uint64_t turn, uint64_t until_ns, bool others) {
    GrantSlot& grant = grants_.grants()[0];
    grant.turn = turn;
    grant.until_ns = until_ns;
    grant.window_ns = 150'000;
    grant.others = others ? 1 : 0;
    grant.mode = TurnMode::kRun;
    Ring();
  }

  void Ring() {
    const uint64_t one = 1;
    ASSERT_EQ(write(bell_.get(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  }

  void Work() {
    client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = 4, .hStream = 0});
    client().Flush();
  }

  // The stream waits for the client from here on.
  void WaitForTheClient(uint64_t call) {
    client().Post(wire::HostFunction{.stream = 0, .call = call});
    client().Flush();
  }

  bool IsAskedFor(uint64_t call) {
    return client().PumpUntil(
        [this, call] { return !client().dues.empty() && client().dues.back().call == call; });
  }

  void Answer() {
    client().Post(wire::HostDone{.turn = client().dues.back().turn});
    client().Flush();
  }

  const UseSlot& use() const { return uses_.uses()[0]; }

  template <typename Condition>
  static bool Comes(Condition&& condition) {
    const uint64_t until_ns = NowNs() + kPatienceNs;
    while (!condition() && NowNs() < until_ns) {
      usleep(1000);
    }
    return condition();
  }

  SessionFixture fixture_;
  uint64_t address_ = 0;
  TurnMemory grants_ = TurnMemory::Make(8, false).value();
  TurnMemory uses_ = TurnMemory::Make(8, true).value();
  Fd bell_;
  std::shared_ptr<std::atomic<int>> rung_ =
      std::make_shared<std::atomic<int>>(0);  // shared with the session's thread
};

TEST_F(GateTest, WorkWaitsForItsTurnAndThenGoesOnInOrder) {
  grants_.grants()[0].mode = TurnMode::kHold;
  Attach();
  Work();
  const wire::Sequence question = client().Post(wire::StreamSynchronize{});
  client().Flush();
  ASSERT_TRUE(Comes([this] { return use().holds == 1; }));
  EXPECT_EQ(use().wants, 1u);
  EXPECT_GE(*rung_, 1);
  EXPECT_EQ(use().commands, 0u);

  Allow(1, UINT64_MAX, false);
  EXPECT_EQ(client().WaitForReply(question), CUDA_SUCCESS);
  EXPECT_TRUE(Comes([this] { return use().commands == 1 && use().in_flight == 0; }));
  EXPECT_TRUE(client().failures.empty());
}

TEST_F(GateTest, ATurnThatIsUsedUpIsGivenBack) {
  Attach();
  Allow(1, 1, true);  // one nanosecond
  Work();
  Work();
  ASSERT_TRUE(Comes([this] { return use().over_turn == 1; }));
  EXPECT_EQ(use().commands, 1u) << "one command is let through, whatever it takes";
  Allow(2, UINT64_MAX, true);
  EXPECT_TRUE(Comes([this] { return use().commands == 2; }));
}

TEST_F(GateTest, ATurnWithoutWorkIsGivenBackWhenOthersWait) {
  Attach();
  Allow(1, UINT64_MAX, false);
  Work();
  ASSERT_TRUE(Comes([this] { return use().commands == 1; }));
  EXPECT_EQ(use().over_turn, 0u);
  Allow(1, UINT64_MAX, true);
  Work();
  EXPECT_TRUE(Comes([this] { return use().over_turn == 1; }));
  EXPECT_EQ(use().wants, 0u);
}

TEST_F(GateTest, WhatIsDoneWhileMoreWaitsIsToldApart) {
  grants_.grants()[0].mode = TurnMode::kHold;
  Attach();
  Work();
  ASSERT_TRUE(Comes([this] { return use().holds == 1; }));
  Allow(1, UINT64_MAX, false);
  ASSERT_TRUE(Comes([this] { return use().commands == 1; }));
  EXPECT_EQ(use().deep_ns, 0u) << "nothing waited behind it";
  EXPECT_NE(use().asked_ns, 0u);

  grants_.grants()[0].mode = TurnMode::kHold;
  Work();
  ASSERT_TRUE(Comes([this] { return use().holds == 2; }));
  for (int i = 0; i < 10; ++i) {
    Work();  // each taken for a millisecond: one at a time passes
  }
  Allow(2, UINT64_MAX, true);
  ASSERT_TRUE(Comes([this] { return use().commands == 12; }));
  EXPECT_TRUE(Comes([this] { return use().deep_ns != 0; }));
  EXPECT_LE(use().deep_ns, use().asked_ns);
}

TEST_F(GateTest, AnAnswerPassesWhatIsHeld) {
  grants_.grants()[0].mode = TurnMode::kHold;
  Attach();
  WaitForTheClient(7);
  WaitForTheClient(8);
  ASSERT_TRUE(IsAskedFor(7));
  Work();
  ASSERT_TRUE(Comes([this] { return use().holds == 1; }));
  Answer();
  EXPECT_TRUE(IsAskedFor(8)) << "the stream goes on, though it is nobody's turn";
  EXPECT_EQ(use().commands, 0u);
  Answer();
  Allow(1, UINT64_MAX, true);
  EXPECT_TRUE(Comes([this] { return use().commands == 1; }));
}

TEST_F(GateTest, WhatIsHeldIsDoneInItsOrderAndThenKnownToTheClient) {
  grants_.grants()[0].mode = TurnMode::kHold;
  Attach();
  client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = 16, .hStream = 0});
  for (unsigned char i = 0; i < 10; ++i) {
    client().Post(wire::MemsetD8Async{.dstDevice = address_ + i, .uc = i, .N = 1, .hStream = 0});
    client().Post(
        wire::MemsetD8Async{.dstDevice = address_ + i + 1, .uc = 99, .N = 1, .hStream = 0});
  }
  const wire::Sequence copy = client().Post(wire::CopyOut{
      .transfer = 1, .address = address_, .stream = 0, .width = 12, .pitch = 12, .rows = 1});
  client().Flush();
  ASSERT_TRUE(Comes([this] { return use().holds == 1; }));
  Allow(1, UINT64_MAX, true);
  EXPECT_TRUE(client().PumpUntil([this] { return client().ended.contains(1); }));
  std::vector<std::byte> expected;
  for (const int value : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 1}) {
    expected.push_back(static_cast<std::byte>(value));
  }
  EXPECT_EQ(client().arrived[1], expected);
  EXPECT_TRUE(client().PumpUntil([&] { return client().executed() >= copy; }))
      << "nothing else is sent, or comes";
}

TEST_F(GateTest, WhatAClientSentBeforeItsGoodbyeIsDone) {
  grants_.grants()[0].mode = TurnMode::kHold;
  Attach();
  Work();
  client().writer().AppendBye();
  client().Flush();
  ASSERT_TRUE(Comes([this] { return use().holds == 1; }));
  EXPECT_EQ(use().commands, 0u);
  Allow(1, UINT64_MAX, true);
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kBye);
  EXPECT_NE(use().wants, 0u) << "it has passed";
  EXPECT_NE(use().held_ns, 0u);
}

TEST_F(GateTest, WorkThatAStreamHasNotComeToIsNoReasonToHold) {
  Attach();
  Allow(1, 2'000'000, true);
  WaitForTheClient(7);
  ASSERT_TRUE(IsAskedFor(7));
  for (int i = 0; i < 8; ++i) {
    Work();  // each taken for a millisecond: more than the turn has
  }
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = 0}), CUDA_ERROR_NOT_READY);
  EXPECT_TRUE(Comes([this] { return use().over_turn == 1; })) << "nor to keep the turn";
  EXPECT_EQ(use().in_flight, 0u);
  EXPECT_EQ(use().commands, 0u);
  Answer();
  EXPECT_TRUE(Comes([this] { return use().commands == 8; })) << "it is measured all the same";
}

TEST_F(GateTest, WithoutADaemonAllPasses) {
  grants_.grants()[0].mode = TurnMode::kHold;
  Attach();
  Work();
  ASSERT_TRUE(Comes([this] { return use().holds == 1; }));
  fixture_.session().gate().Detach();
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
}

TEST_F(GateTest, WhoIsAloneIsNotMeasured) {
  Attach();
  Work();
  EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  EXPECT_EQ(use().wants, 0u);
  EXPECT_EQ(use().commands, 0u);
}

}  // namespace
}  // namespace farlane::server
