// SPDX-License-Identifier: Apache-2.0
// Many commands through the gate, with a driver that does nothing. What they cost is counted by
// whoever runs these under callgrind, or compares their times.
#include <algorithm>
#include <atomic>
#include <ctime>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gpu-server/session/gate.h"
#include "protocol/base/clock.h"
#include "protocol/base/environment.h"
#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

constexpr uint64_t kCommands = 20'000;
constexpr uint64_t kPatienceNs = 20'000'000'000;

// When a command came to the driver last.
std::atomic<uint64_t> given_ns{0};

// The small test driver; or another one that somebody wants to measure with.
std::unique_ptr<Driver> LoadDriver() {
  const std::optional<std::string> other = Environment("FARLANE_COST_DRIVER");
  if (!other) {
    return LoadFakeDriver();
  }
  auto driver = Driver::Load({.path = *other, .demand = DriverDemand::kAny});
  EXPECT_TRUE(driver.has_value()) << driver.error().message();
  return std::move(driver).value();
}

// Of the test driver: what the commands need does nothing.
DriverTable Quick(DriverTable table) {
  if (Environment("FARLANE_COST_DRIVER")) {
    return table;
  }
  table.cuMemsetD8Async = [](CUdeviceptr, unsigned char, size_t, CUstream) {
    given_ns.store(NowNs(), std::memory_order_relaxed);
    return CUDA_SUCCESS;
  };
  table.cuEventRecord = [](CUevent, CUstream) { return CUDA_SUCCESS; };
  table.cuEventQuery = [](CUevent) { return CUDA_SUCCESS; };
  // A run of 64 commands, each of five microseconds.
  table.cuEventElapsedTime = [](float* ms, CUevent, CUevent) {
    *ms = 0.32F;
    return CUDA_SUCCESS;
  };
  return table;
}

class GateCost : public testing::Test {
 protected:
  GateCost() {
    fixture_.UseContext();
    address_ = fixture_.UseMemory();
    client().Post(wire::StreamCreateWithPriority{.phStream = kStream, .flags = 1, .priority = 0});
    EXPECT_EQ(client().Call(wire::StreamSynchronize{}), CUDA_SUCCESS);
  }

  ~GateCost() override { fixture_.session().gate().Detach(); }

  ScriptedClient& client() { return fixture_.client(); }

  void Attach(TurnMode mode, uint64_t until_ns = UINT64_MAX, uint64_t window_ns = UINT64_MAX) {
    const size_t count = fixture_.session().devices_count();
    GrantSlot& grant = grants_.grants()[0];
    grant.turn = 1;
    grant.until_ns = until_ns;
    grant.window_ns = window_ns;
    grant.mode = mode;
    fixture_.session().gate().Attach(TurnMemory::Take(grants_.descriptor(), count, false).value(),
                                     TurnMemory::Take(uses_.descriptor(), count, true).value(),
                                     Fd(dup(bell_.get())), [rung = rung_] { ++*rung; });
  }

  // Posts all, and says what each took of this process's time, the client's part included.
  void Run() {
    const clock_t before = clock();
    for (uint64_t i = 0; i < kCommands; ++i) {
      client().Post(
          wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = 4, .hStream = kStream});
    }
    client().Flush();
    EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = kStream}), CUDA_SUCCESS);
    const double ns = static_cast<double>(clock() - before) * (1e9 / CLOCKS_PER_SEC);
    std::printf("%.0f ns for each command, client and session\n",
                ns / static_cast<double>(kCommands));
    EXPECT_TRUE(client().failures.empty());
  }

  // The last of it is said when there is nothing else to do.
  bool IsMeasured() const {
    const uint64_t until_ns = NowNs() + kPatienceNs;
    while (uses_.uses()[0].commands < kCommands && NowNs() < until_ns) {
      usleep(1000);
    }
    return uses_.uses()[0].commands == kCommands;
  }

  static constexpr wire::Handle kStream = wire::MakeHandle(wire::HandleKind::kStream, 1, 1);

  std::unique_ptr<Driver> fake_ = LoadDriver();
  DriverTable table_ = Quick(fake_->table());
  CommandWatch watch_{60'000'000'000};  // before the session, which may go by it
  SessionFixture fixture_{0, &table_};
  uint64_t address_ = 0;
  std::shared_ptr<std::atomic<int>> rung_ =
      std::make_shared<std::atomic<int>>(0);  // shared with the session's thread
  static constexpr uint64_t kOne = 1;
  const Fd bell_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  TurnMemory grants_ = TurnMemory::Make(8, false).value();
  TurnMemory uses_ = TurnMemory::Make(8, true).value();
};

TEST_F(GateCost, WithoutPagesNothingIsLookedAt) {
  Run();
}

TEST_F(GateCost, AloneNothingIsMeasuredAndNobodyTold) {
  Attach(TurnMode::kOpen);
  Run();
  EXPECT_EQ(uses_.uses()[0].commands, 0u);
  EXPECT_EQ(*rung_, 0);
}

TEST_F(GateCost, WithoutTurnsAllIsMeasuredAndNobodyTold) {
  Attach(TurnMode::kRun);
  Run();
  EXPECT_TRUE(IsMeasured());
  EXPECT_EQ(*rung_, 0);
}

TEST_F(GateCost, ALightSessionIsMeasuredAndTellsNobody) {
  Attach(TurnMode::kRun, 1'000'000'000, 1'000'000);
  Run();
  EXPECT_TRUE(IsMeasured());
  EXPECT_EQ(*rung_, 0);
}

// From the moment at which the daemon has written the grant until the driver has the command that
// waited for it.
TEST_F(GateCost, AGrantIsFollowedByTheFirstCommandAtOnce) {
  constexpr int kRounds = 200;
  constexpr uint64_t kSoonNs = 100'000;
  Attach(TurnMode::kHold);
  GrantSlot& grant = grants_.grants()[0];
  const std::atomic<uint32_t>& wants = uses_.uses()[0].wants;
  std::vector<uint64_t> took_ns;
  for (int round = 0; round < kRounds; ++round) {
    given_ns = 0;
    client().Post(wire::MemsetD8Async{.dstDevice = address_, .uc = 1, .N = 4, .hStream = kStream});
    client().Flush();
    const uint64_t until_ns = NowNs() + kPatienceNs;
    while (wants == 0 && NowNs() < until_ns) {
      usleep(100);
    }
    usleep(1000);  // it sleeps by now
    ASSERT_EQ(given_ns, 0u) << "it was not its turn";
    const uint64_t granted_ns = NowNs();
    grant.turn = static_cast<uint64_t>(round) + 2;
    grant.mode = TurnMode::kRun;
    ASSERT_EQ(write(bell_.get(), &kOne, sizeof kOne), static_cast<ssize_t>(sizeof kOne));
    while (given_ns == 0 && NowNs() < until_ns) {
      sched_yield();
    }
    took_ns.push_back(given_ns - granted_ns);
    EXPECT_EQ(client().Call(wire::StreamSynchronize{.hStream = kStream}), CUDA_SUCCESS);
    grant.mode = TurnMode::kHold;
  }
  std::sort(took_ns.begin(), took_ns.end());
  std::printf("%.1f us from a grant to its first command, %.1f in one of 100\n",
              static_cast<double>(took_ns[kRounds / 2]) / 1e3,
              static_cast<double>(took_ns[kRounds * 99 / 100]) / 1e3);
  EXPECT_LT(took_ns.front(), kSoonNs) << "the best, since a busy machine makes all others late";
}

TEST_F(GateCost, WhereCommandsAreWatchedEachIsMeasuredByItself) {
  std::atomic<bool> watched{false};
  fixture_.session().Return([this, &watched] {
    fixture_.session().gate().Watch(&watch_);
    watched = true;
  });
  while (!watched) {
    usleep(1000);
  }
  Attach(TurnMode::kOpen);
  Run();
  EXPECT_TRUE(IsMeasured());
  EXPECT_EQ(*rung_, 0);
}

}  // namespace
}  // namespace farlane::server
