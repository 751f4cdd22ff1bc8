// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/command_watch.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

constexpr uint64_t kLimitNs = 100'000'000;

TEST(CommandWatch, OnlyALookFindsThatACommandTakesTooLong) {
  CommandWatch watch(kLimitNs);
  watch.NoteGiven(1);
  EXPECT_FALSE(watch.WasOverdue());
  watch.Note(1, kLimitNs);
  EXPECT_FALSE(watch.WasOverdue());
  watch.Note(1, 2 + kLimitNs);
  EXPECT_TRUE(watch.WasOverdue());
  watch.Note(0, 3 + kLimitNs);
  EXPECT_FALSE(watch.WasOverdue());
}

TEST(CommandWatch, WhoDoesNotLookForAsLongIsStuckInIt) {
  CommandWatch watch(kLimitNs);
  watch.NoteGiven(10);
  EXPECT_FALSE(watch.IsOverdueUnseen(10 + kLimitNs));
  EXPECT_TRUE(watch.IsOverdueUnseen(11 + kLimitNs));
  watch.Note(10, 10 + kLimitNs / 2);
  EXPECT_FALSE(watch.IsOverdueUnseen(11 + kLimitNs)) << "it has looked since";
  EXPECT_TRUE(watch.IsOverdueUnseen(11 + 2 * kLimitNs));
  watch.Note(0, 20 + kLimitNs);
  EXPECT_FALSE(watch.IsOverdueUnseen(UINT64_MAX)) << "nothing is under way";
}

TEST(CommandWatch, WhoIsStuckBeforeTheCommandWasSeenToBeginIsFoundAsWell) {
  CommandWatch watch(kLimitNs);
  watch.NoteGiven(10);
  watch.Note(0, 20, true);
  EXPECT_FALSE(watch.IsOverdueUnseen(20 + kLimitNs));
  EXPECT_TRUE(watch.IsOverdueUnseen(21 + kLimitNs));
  EXPECT_FALSE(watch.WasOverdue()) << "who looks knows better";
}

TEST(CommandWatch, WithoutALimitNothingTakesTooLong) {
  CommandWatch watch(0);
  watch.NoteGiven(1);
  EXPECT_FALSE(watch.IsDue(UINT64_MAX));
  EXPECT_FALSE(watch.IsOverdueUnseen(UINT64_MAX));
}

// A device that comes to the first command and never ends it.
std::atomic<CUevent> first{nullptr};

DriverTable Endless(DriverTable table) {
  first = nullptr;
  table.cuMemsetD8Async = [](CUdeviceptr, unsigned char, size_t, CUstream) { return CUDA_SUCCESS; };
  table.cuEventRecord = [](CUevent event, CUstream) {
    CUevent nobody = nullptr;
    first.compare_exchange_strong(nobody, event);
    return CUDA_SUCCESS;
  };
  table.cuEventQuery = [](CUevent event) {
    return event == first ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
  };
  return table;
}

class WatchedSession : public testing::Test {
 protected:
  WatchedSession() {
    fixture_.UseContext();
    address_ = fixture_.UseMemory();
    client().Post(wire::StreamCreateWithPriority{.phStream = kStream, .flags = 1, .priority = 0});
    EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  }

  ScriptedClient& client() { return fixture_.client(); }

  // On the dispatch thread, before anything else comes.
  void Watch() {
    std::atomic<bool> done{false};
    fixture_.session().Return([this, &done] {
      fixture_.session().gate().Watch(&watch_);
      done = true;
    });
    while (!done) {
      usleep(1000);
    }
  }

  void Attach(TurnMode mode) {
    const size_t count = fixture_.session().devices_count();
    grants_.grants()[0].turn = 1;
    grants_.grants()[0].until_ns = UINT64_MAX;
    grants_.grants()[0].window_ns = 1'000'000;
    grants_.grants()[0].mode = mode;
    fixture_.session().gate().Attach(TurnMemory::Take(grants_.descriptor(), count, false).value(),
                                     TurnMemory::Take(uses_.descriptor(), count, true).value(),
                                     Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), [] {});
  }

  void Work() {
    client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = 4, .hStream = kStream});
    client().Flush();
  }

  static constexpr wire::Handle kStream = wire::MakeHandle(wire::HandleKind::kStream, 1, 1);

  std::unique_ptr<Driver> fake_ = LoadFakeDriver();
  DriverTable table_ = Endless(fake_->table());
  CommandWatch watch_{kLimitNs};  // before the session, which goes by it
  SessionFixture fixture_{0, &table_};
  uint64_t address_ = 0;
  TurnMemory grants_ = TurnMemory::Make(8, false).value();
  TurnMemory uses_ = TurnMemory::Make(8, true).value();
};

TEST_F(WatchedSession, AnEndlessCommandIsTheEndOfWhoIsAlone) {
  Watch();
  Attach(TurnMode::kOpen);
  const uint64_t before_ns = NowNs();
  Work();
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kOverdue);
  EXPECT_GE(NowNs() - before_ns, kLimitNs);
}

TEST_F(WatchedSession, AndOfWhoTakesTurnsHoweverMuchItSays) {
  Watch();
  Attach(TurnMode::kRun);
  Work();
  // Questions all the time: the dispatch thread never has nothing to do.
  const uint64_t until_ns = NowNs() + 100 * kLimitNs;
  while (!watch_.WasOverdue() && NowNs() < until_ns) {
    client().Post(wire::SetContext{.context = SessionFixture::kContext});
    client().Flush();
  }
  EXPECT_EQ(fixture_.WaitForEnd(), SessionEnd::kOverdue);
}

TEST_F(WatchedSession, NobodyIsEndedWhileThereIsNoDaemon) {
  Watch();
  Attach(TurnMode::kOpen);
  Work();
  fixture_.session().gate().Detach();
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = 0}), CUDA_SUCCESS);
  EXPECT_FALSE(watch_.IsOverdueUnseen(UINT64_MAX));
}

TEST_F(WatchedSession, WithoutAWatchItGoesOn) {
  Attach(TurnMode::kRun);
  Work();
  usleep(3 * kLimitNs / 1000);
  EXPECT_EQ(client().Call(wire::StreamQuery{.hStream = 0}), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::server
