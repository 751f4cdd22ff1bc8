// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/turns.h"

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "tests/unit/gpu-server/arbiter/virtual_gpu.h"

namespace farlane::server {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMs;

SliceRequest Share(double share, Priority priority = Priority::kStandard, double limit = 0) {
  SliceRequest slice{};
  slice.share = static_cast<uint32_t>(share * kWholeShare);
  slice.share_limit = static_cast<uint32_t>(limit * kWholeShare);
  slice.priority = priority;
  return slice;
}

VirtualGpu::Next Always(uint64_t takes_ns) {
  return [takes_ns](uint64_t) { return takes_ns; };
}

// Kernels from 20 microseconds to 5 milliseconds, the same ones for the same seed.
VirtualGpu::Next Mixed(uint32_t seed) {
  auto random = std::make_shared<std::mt19937>(seed);
  return [random](uint64_t) -> uint64_t {
    constexpr uint64_t kTakes[] = {20'000, 200'000, kMs, 5 * kMs};
    return kTakes[(*random)() % 4];
  };
}

// One command of so long every so often.
VirtualGpu::Next Every(uint64_t period_ns, uint64_t takes_ns) {
  auto due_ns = std::make_shared<uint64_t>(0);
  return [=](uint64_t now_ns) -> uint64_t {
    if (now_ns < *due_ns) {
      return 0;
    }
    *due_ns = now_ns + period_ns;
    return takes_ns;
  };
}

double PartOf(const VirtualGpu& gpu, size_t client) {
  uint64_t all = 0;
  for (const auto& one : gpu.clients) {
    all += one->used_ns;
  }
  return static_cast<double>(gpu.clients[client]->used_ns) / static_cast<double>(all);
}

TEST(Turns, SharesHoldWhateverTheKernelsTake) {
  for (const double share : {0.7, 0.3, 0.1, 0.5}) {
    VirtualGpu gpu;
    gpu.Add(1, Share(share), Always(5 * kMs));
    gpu.Add(2, Share(1 - share), Always(20'000));
    gpu.Run(10 * kSecond);
    EXPECT_NEAR(PartOf(gpu, 0), share, 0.01 * share) << share;
  }
}

SliceRequest Isolated(Isolation isolation) {
  SliceRequest slice{};
  slice.isolation = isolation;
  return slice;
}

// Somebody is there already, with much given ahead; others come and go.
uint64_t BesidesWith(Isolation isolation) {
  VirtualGpu gpu;
  gpu.Add(1, SliceRequest{}, Always(20'000));
  gpu.Run(100 * kMs);
  gpu.Add(2, Isolated(isolation), Always(kMs));
  VirtualGpu::Client& small = gpu.Add(3, SliceRequest{}, Every(3 * kMs, 50'000));
  gpu.Run(2 * kSecond);
  EXPECT_GT(gpu.clients[0]->used_ns, kSecond / 2);
  EXPECT_GT(gpu.clients[1]->used_ns, kSecond / 2);
  EXPECT_GT(small.commands, 50u);
  gpu.Kill(small);
  gpu.Run(kSecond);
  return gpu.besides;
}

TEST(Turns, NobodysWorkIsBesideThatOfWhoIsKeptApart) {
  EXPECT_EQ(BesidesWith(Isolation::kScrubbed), 0u);
  EXPECT_GT(BesidesWith(Isolation::kShared), 0u) << "what the line above is worth";
}

TEST(Turns, WhoHasOtherDevicesIsNobodysRival) {
  Turns turns(2, true, [](Turns::Worker) {});
  std::vector<TurnMemory> seen;
  for (const size_t device : {0, 1}) {
    TurnMemory grants = TurnMemory::Make(2, false).value();
    TurnMemory uses = TurnMemory::Make(2, true).value();
    seen.push_back(TurnMemory::Take(grants.descriptor(), 2, false).value());
    turns.Enter(device + 1, device + 1, Share(0.9), std::move(grants), std::move(uses), kSecond,
                {device});
  }
  EXPECT_EQ(seen[0].grants()[0].mode, TurnMode::kOpen);
  EXPECT_EQ(seen[1].grants()[1].mode, TurnMode::kOpen);
  TurnMemory grants = TurnMemory::Make(2, false).value();
  TurnMemory uses = TurnMemory::Make(2, true).value();
  turns.Enter(3, 3, SliceRequest{}, std::move(grants), std::move(uses), kSecond, {1});
  EXPECT_EQ(seen[0].grants()[0].mode, TurnMode::kOpen);
  EXPECT_NE(seen[1].grants()[1].mode, TurnMode::kOpen);
  turns.Leave(3, 2 * kSecond);
  EXPECT_EQ(seen[1].grants()[1].mode, TurnMode::kOpen);
}

// Kernels of up to 2 milliseconds: in ten seconds a hundredth is 50 of the longest.
VirtualGpu::Next Short(uint32_t seed) {
  auto random = std::make_shared<std::mt19937>(seed);
  return [random](uint64_t) -> uint64_t {
    constexpr uint64_t kTakes[] = {20'000, 200'000, kMs, 2 * kMs};
    return kTakes[(*random)() % 4];
  };
}

// At first nobody needs turns, and all give the device work: what each measures of it is nearly all
// the others'. All come within `within_ns`; parts are of ten seconds, after the first half.
void ExpectEqualPartsOfACrowd(size_t count, uint64_t within_ns, uint64_t late_ns, uint32_t seed) {
  VirtualGpu gpu;
  gpu.shared = true;
  gpu.late_ns = late_ns;
  for (size_t i = 0; i < count; ++i) {
    gpu.Add(i + 1, SliceRequest{}, Short(static_cast<uint32_t>(seed * count + i)));
    gpu.Run(within_ns / count);
  }
  gpu.Run(kSecond / 2);
  std::vector<uint64_t> before;
  for (const auto& client : gpu.clients) {
    before.push_back(client->used_ns);
  }
  gpu.Run(10 * kSecond);
  uint64_t all = 0;
  for (size_t i = 0; i < count; ++i) {
    all += gpu.clients[i]->used_ns - before[i];
  }
  const double equal = static_cast<double>(all) / static_cast<double>(count);
  // Where workers are late, the device does little, and a turn is a large part of that.
  const double slack = 0.05 * equal + (late_ns > kMs ? 4.0 * kMs : 0);
  for (size_t i = 0; i < count; ++i) {
    EXPECT_NEAR(static_cast<double>(gpu.clients[i]->used_ns - before[i]), equal, slack)
        << "client " << i << " of " << count << " (before: " << before[i] << "), that come within "
        << within_ns << " ns, with workers up to " << late_ns << " ns late";
  }
}

TEST(Turns, ACrowdHasEqualPartsAMomentAfterItHasCome) {
  ExpectEqualPartsOfACrowd(100, 0, 0, 1);
  ExpectEqualPartsOfACrowd(100, 0, kMs, 1);
  ExpectEqualPartsOfACrowd(100, 100 * kMs, 0, 1);
  ExpectEqualPartsOfACrowd(100, kSecond, kMs, 1);
  ExpectEqualPartsOfACrowd(50, kSecond, 10 * kMs, 1);
}

// What the shares above are worth: the same clients without turns.
TEST(Turns, WithoutTurnsTheLongestKernelsWin) {
  VirtualGpu gpu(false);
  gpu.Add(1, Share(0.3), Always(5 * kMs));
  gpu.Add(2, Share(0.7), Always(20'000));
  gpu.Run(10 * kSecond);
  EXPECT_GT(PartOf(gpu, 0), 0.9);
  EXPECT_NEAR(static_cast<double>(gpu.turns.FiguresOf(1, 0).used_ns),
              static_cast<double>(gpu.clients[0]->used_ns), 10.0 * kMs)
      << "but what they use is known";
}

// By how much any client's part of any second of the device's work is off an equal part; of windows
// that begin with each of the device's commands from there on.
double WorstSecondOfEqual(const VirtualGpu& gpu, size_t from) {
  std::map<const VirtualGpu::Client*, uint64_t> had;
  uint64_t all_ns = 0;
  double worst = 0;
  for (size_t first = from, last = from; last < gpu.record.size(); ++last) {
    had[gpu.record[last].first] += gpu.record[last].second;
    all_ns += gpu.record[last].second;
    for (; all_ns - gpu.record[first].second >= kSecond; ++first) {
      had[gpu.record[first].first] -= gpu.record[first].second;
      all_ns -= gpu.record[first].second;
    }
    for (const auto& client : gpu.clients) {
      const double part = static_cast<double>(had[client.get()]) / static_cast<double>(all_ns);
      const double equal = 1.0 / static_cast<double>(gpu.clients.size());
      worst = all_ns < kSecond ? worst : std::max(worst, std::abs(part - equal));
    }
  }
  return worst;
}

TEST(Turns, FourOfAKindHaveTheSameInEverySecondAlsoOnABusyMachine) {
  for (const uint64_t late_ns : {uint64_t{0}, 5 * kMs, 20 * kMs}) {
    VirtualGpu gpu;
    gpu.shared = true;
    gpu.late_ns = late_ns;
    for (const auto& [least, most] : {std::pair<uint64_t, uint64_t>{20'000, 200'000},
                                      {200'000, kMs},
                                      {kMs, 5 * kMs},
                                      {5 * kMs, 5 * kMs}}) {
      auto random = std::make_shared<std::mt19937>(7);
      gpu.Add(gpu.clients.size() + 1, SliceRequest{},
              [=](uint64_t) -> uint64_t { return (*random)() % 2 == 0 ? least : most; });
    }
    gpu.Run(kSecond / 2);
    const size_t from = gpu.record.size();
    gpu.Run(20 * kSecond);
    const double worst = WorstSecondOfEqual(gpu, from);
    EXPECT_LE(worst, 0.015) << "workers up to " << late_ns << " ns late";
  }
}

TEST(Turns, FourOfAKindHaveTheSame) {
  VirtualGpu gpu;
  constexpr uint64_t kTakes[] = {20'000, 200'000, kMs, 5 * kMs};
  for (size_t i = 0; i < 4; ++i) {
    gpu.Add(i + 1, SliceRequest{}, Always(kTakes[i]));
  }
  gpu.Run(10 * kSecond);
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < 4; ++i) {
    sum += PartOf(gpu, i);
    squares += PartOf(gpu, i) * PartOf(gpu, i);
  }
  EXPECT_GE(sum * sum / (4 * squares), 0.99);  // Jain's index
}

TEST(Turns, SharesOfMixedKernelsAreExactToAHundredth) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    VirtualGpu gpu;
    gpu.Add(1, Share(0.6), Mixed(seed));
    gpu.Add(2, Share(0.3), Mixed(seed + 100));
    gpu.Add(3, Share(0.1), Mixed(seed + 200));
    gpu.Run(20 * kSecond);
    EXPECT_NEAR(PartOf(gpu, 0), 0.6, 0.006) << seed;
    EXPECT_NEAR(PartOf(gpu, 1), 0.3, 0.003) << seed;
    EXPECT_NEAR(PartOf(gpu, 2), 0.1, 0.001) << seed;
  }
}

TEST(Turns, WhatOneDoesNotUseTheOthersHave) {
  VirtualGpu gpu;
  gpu.Add(1, Share(0.8), Every(100 * kMs, kMs));
  VirtualGpu::Client& busy = gpu.Add(2, Share(0.2), Always(kMs));
  gpu.Run(5 * kSecond);
  EXPECT_GT(busy.used_ns, 4'900 * kMs);
}

TEST(Turns, WhoWasIdleDoesNotCatchUpForLong) {
  VirtualGpu gpu;
  uint64_t sleeps_until_ns = gpu.now_ns + 5 * kSecond;
  VirtualGpu::Client& sleeper = gpu.Add(1, Share(0.5), [&sleeps_until_ns](uint64_t now_ns) {
    return now_ns < sleeps_until_ns ? 0 : kMs;
  });
  VirtualGpu::Client& other = gpu.Add(2, Share(0.5), Always(kMs));
  gpu.Run(5 * kSecond);
  const uint64_t before_ns = other.used_ns;
  gpu.Run(kSecond);
  EXPECT_NEAR(static_cast<double>(sleeper.used_ns), 500.0 * kMs, 40.0 * kMs);
  EXPECT_NEAR(static_cast<double>(other.used_ns - before_ns), 500.0 * kMs, 40.0 * kMs);
}

// The same where nobody may work without a turn, and nothing is paid for that.
TEST(Turns, WhoseDueIsLittleHasSavedLittleWhenItComes) {
  VirtualGpu gpu;
  const uint64_t begins_ns = gpu.now_ns + kSecond;
  SliceRequest large = Isolated(Isolation::kScrubbed);
  SliceRequest small = large;
  large.share = kWholeShare / 100 * 98;
  small.share = kWholeShare / 100 * 2;
  gpu.Add(1, large, Always(kMs));
  VirtualGpu::Client& sleeper =
      gpu.Add(2, small, [begins_ns](uint64_t now_ns) { return now_ns < begins_ns ? 0 : kMs; });
  gpu.Run(kSecond + 50 * kMs);
  EXPECT_GE(sleeper.used_ns, 2 * kMs);
  EXPECT_LE(sleeper.used_ns, 8 * kMs);
}

// 20 ms would be its due in a second.
TEST(Turns, WhoseDueIsLittleCatchesUpOnLittle) {
  VirtualGpu gpu;
  const uint64_t begins_ns = gpu.now_ns + 5 * kSecond;
  gpu.Add(1, Share(0.98), Always(kMs));
  VirtualGpu::Client& sleeper = gpu.Add(
      2, Share(0.02), [begins_ns](uint64_t now_ns) { return now_ns < begins_ns ? 0 : kMs; });
  gpu.Run(5 * kSecond + kSecond / 2);
  EXPECT_GE(sleeper.used_ns, 8 * kMs);
  EXPECT_LE(sleeper.used_ns, 20 * kMs);
}

// A turn of which a worker makes nothing is charged, but not once more when it does its work.
TEST(Turns, AWorkerThatIsLateForItsTurnsDoesNotPayForThemTwice) {
  VirtualGpu gpu;
  VirtualGpu::Client& late = gpu.Add(1, Share(0.5), Always(kMs));
  VirtualGpu::Client& other = gpu.Add(2, Share(0.5), Always(kMs));
  gpu.Run(kSecond);
  const uint64_t late_ns = late.used_ns;
  const uint64_t other_ns = other.used_ns;
  for (int i = 0; i < 10; ++i) {
    while (late.in_flight != 0 || late.uses.uses()[0].in_flight != 0) {
      gpu.Run(1);
    }
    late.looks_ns = gpu.now_ns + 150 * kMs;
    gpu.Run(400 * kMs);
  }
  EXPECT_NEAR(static_cast<double>(late.used_ns - late_ns),
              static_cast<double>(other.used_ns - other_ns), 30.0 * kMs);
}

TEST(Turns, ACapHoldsThoughNobodyElseIsThere) {
  VirtualGpu gpu;
  VirtualGpu::Client& client = gpu.Add(1, Share(0, Priority::kStandard, 0.25), Mixed(7));
  gpu.Run(10 * kSecond);
  EXPECT_NEAR(static_cast<double>(client.used_ns), 2'500.0 * kMs, 25.0 * kMs);
}

// What was not used before is not used on top of it.
TEST(Turns, ACapHoldsInEverySecondAlsoAfterAPause) {
  VirtualGpu gpu;
  const uint64_t begins_ns = gpu.now_ns + kSecond;
  VirtualGpu::Client& capped =
      gpu.Add(1, Share(0.0, Priority::kStandard, 0.6),
              [begins_ns](uint64_t now_ns) { return now_ns < begins_ns ? 0 : 5 * kMs; });
  gpu.Run(kSecond);
  ASSERT_EQ(capped.used_ns, 0u);
  gpu.Run(kSecond);
  EXPECT_LE(capped.used_ns, 610 * kMs);
  EXPECT_GE(capped.used_ns, 590 * kMs);
}

// Who has a cap has less than its due, and is behind the others all the time.
TEST(Turns, WhoComesBesideACapTakesNothingFromTheOthers) {
  VirtualGpu gpu;
  VirtualGpu::Client& first = gpu.Add(1, Share(0.4), Always(kMs));
  VirtualGpu::Client& capped = gpu.Add(2, Share(0.3, Priority::kStandard, 0.05), Always(kMs));
  gpu.Run(10 * kSecond);
  VirtualGpu::Client& comes = gpu.Add(3, Share(0.3), Always(kMs));
  const uint64_t first_ns = first.used_ns;
  gpu.Run(kSecond);
  EXPECT_NEAR(static_cast<double>(first.used_ns - first_ns), 950.0 * kMs * 4 / 7, 40.0 * kMs);
  EXPECT_NEAR(static_cast<double>(comes.used_ns), 950.0 * kMs * 3 / 7, 40.0 * kMs);
  // Nor has it saved up what the cap kept from it.
  gpu.turns.Resize(2, Share(0.3), gpu.now_ns);
  const uint64_t capped_ns = capped.used_ns;
  gpu.Run(kSecond);
  EXPECT_NEAR(static_cast<double>(capped.used_ns - capped_ns), 300.0 * kMs, 40.0 * kMs);
}

TEST(Turns, BestEffortHasWhatIsLeftAndItsFloor) {
  VirtualGpu gpu;
  gpu.Add(1, Share(0.5, Priority::kGuaranteed), Always(kMs));
  gpu.Add(2, Share(0, Priority::kBestEffort), Always(5 * kMs));
  gpu.Run(10 * kSecond);
  EXPECT_NEAR(PartOf(gpu, 1), 0.05, 0.01);
}

TEST(Turns, AGuaranteedCommandWaitsForOneCommandAtMost) {
  VirtualGpu gpu;
  gpu.Add(1, Share(0, Priority::kBestEffort), Always(5 * kMs));
  VirtualGpu::Client& asks =
      gpu.Add(2, Share(0.5, Priority::kGuaranteed), Every(37 * kMs, 100'000));
  gpu.Run(10 * kSecond);
  EXPECT_GT(asks.used_ns, 20 * kMs);
  EXPECT_LE(asks.longest_wait_ns, 5 * kMs + 200'000);
  EXPECT_LE(gpu.turns.FiguresOf(2, 0).ahead_max, 1u);
}

TEST(Turns, AGuaranteedSessionPreemptsStandardOnesForItsShareOnly) {
  VirtualGpu gpu;
  gpu.Add(1, Share(0.8), Always(200'000));
  gpu.Add(2, Share(0.2, Priority::kGuaranteed), Always(200'000));
  gpu.Run(10 * kSecond);
  EXPECT_NEAR(PartOf(gpu, 1), 0.2, 0.002);
}

TEST(Turns, WhoDiesInItsTurnGivesItBack) {
  VirtualGpu gpu;
  VirtualGpu::Client& first = gpu.Add(1, Share(0.5), Always(kMs));
  VirtualGpu::Client& second = gpu.Add(2, Share(0.5), Always(kMs));
  gpu.Run(kSecond);
  VirtualGpu::Client& holder = first.grants.grants()[0].mode == TurnMode::kRun ? first : second;
  VirtualGpu::Client& other = &holder == &first ? second : first;
  ASSERT_EQ(holder.grants.grants()[0].mode, TurnMode::kRun);
  ASSERT_EQ(other.grants.grants()[0].mode, TurnMode::kHold);
  gpu.Kill(holder);
  EXPECT_NE(other.grants.grants()[0].mode, TurnMode::kHold);
}

TEST(Turns, WhoDoesNotGiveItsTurnBackIsNotWaitedFor) {
  VirtualGpu gpu;
  // Of a class that never works without a turn.
  VirtualGpu::Client& endless =
      gpu.Add(1, Share(0.9, Priority::kBestEffort), Always(3'600 * kSecond));
  VirtualGpu::Client& other = gpu.Add(2, Share(0.1, Priority::kBestEffort), Always(kMs));
  // What the device does is not simulated: one command has begun and never ends.
  UseSlot& use = endless.uses.uses()[0];
  use.wants = 1;
  gpu.turns.Look(gpu.now_ns);
  ASSERT_EQ(endless.grants.grants()[0].mode, TurnMode::kRun);
  use.in_flight = 1;
  other.uses.uses()[0].wants = 1;
  const uint64_t until_ns = gpu.now_ns + 200 * kMs;
  while (gpu.now_ns < until_ns && other.grants.grants()[0].mode != TurnMode::kRun) {
    gpu.turns.Look(gpu.now_ns);
    gpu.now_ns = std::min(gpu.turns.NextTime(), until_ns);
  }
  EXPECT_EQ(other.grants.grants()[0].mode, TurnMode::kRun);
}

TEST(Turns, SmallCommandsWaitForOneCommandOfABusySessionAtMost) {
  VirtualGpu gpu;
  VirtualGpu::Client& busy = gpu.Add(1, Share(0.5), Always(kMs));
  VirtualGpu::Client& small = gpu.Add(2, Share(0.5), Every(3 * kMs, 50'000));
  gpu.Run(kSecond);
  small.longest_wait_ns = 0;
  gpu.Run(5 * kSecond);
  EXPECT_LE(small.longest_wait_ns, kMs + 100'000);
  EXPECT_GE(small.used_ns, 6 * kSecond / (3 * kMs) * 50'000 * 8 / 10);
  EXPECT_GT(busy.used_ns, 5'500 * kMs);
  EXPECT_EQ(gpu.turns.FiguresOf(2, 0).turns, 0u);
}

TEST(Turns, ShortCommandsOneAfterTheOtherAreNotHeldUp) {
  for (const size_t count : {2, 4, 8}) {
    uint64_t used_ns[2] = {};
    for (const bool divides : {true, false}) {
      VirtualGpu gpu(divides);
      for (size_t i = 0; i < count; ++i) {
        gpu.Add(i + 1, SliceRequest{}, Always(20'000)).synchronous = true;
      }
      gpu.Run(5 * kSecond);
      for (const auto& client : gpu.clients) {
        used_ns[divides ? 1 : 0] += client->used_ns;
        EXPECT_EQ(gpu.turns.FiguresOf(client->worker, 0).turns, 0u);
        EXPECT_NEAR(static_cast<double>(client->used_ns),
                    5'000.0 * kMs / static_cast<double>(count), 50.0 * kMs);
      }
    }
    EXPECT_GE(used_ns[1] * 100, used_ns[0] * 99) << count;
  }
}

TEST(Turns, LongCommandsOneAfterTheOtherHaveTheirShares) {
  VirtualGpu gpu;
  gpu.Add(1, Share(0.7), Always(4 * kMs)).synchronous = true;
  gpu.Add(2, Share(0.3), Always(4 * kMs)).synchronous = true;
  gpu.Run(10 * kSecond);
  EXPECT_NEAR(PartOf(gpu, 0), 0.7, 0.035);
}

TEST(Turns, WhoAskedForLittleAndNowForMuchHasItsShareAndNoMore) {
  VirtualGpu gpu;
  VirtualGpu::Client& busy = gpu.Add(1, Share(0.6), Always(200'000));
  const uint64_t begins_ns = gpu.now_ns + 5 * kSecond;
  VirtualGpu::Client& later =
      gpu.Add(2, Share(0.4), [begins_ns, small = Every(10 * kMs, 20'000)](uint64_t now_ns) {
        return now_ns < begins_ns ? small(now_ns) : 200'000;
      });
  gpu.Run(5 * kSecond);
  const uint64_t busy_ns = busy.used_ns;
  const uint64_t later_ns = later.used_ns;
  EXPECT_GT(busy_ns, 4'900 * kMs);
  gpu.Run(kSecond);
  EXPECT_NEAR(static_cast<double>(later.used_ns - later_ns), 400.0 * kMs, 40.0 * kMs);
  EXPECT_NEAR(static_cast<double>(busy.used_ns - busy_ns), 600.0 * kMs, 40.0 * kMs);
}

TEST(Turns, ASecondBusySessionHasItsShareWithinFiftyMilliseconds) {
  VirtualGpu gpu;
  const uint64_t begins_ns = gpu.now_ns + kSecond;
  gpu.Add(1, Share(0.5), Always(100'000));
  VirtualGpu::Client& later = gpu.Add(2, Share(0.5), [begins_ns](uint64_t now_ns) -> uint64_t {
    return now_ns < begins_ns ? 0 : 100'000;
  });
  gpu.Run(kSecond + 50 * kMs);
  const uint64_t used_ns = later.used_ns;
  EXPECT_GT(used_ns, 10 * kMs);
  gpu.Run(100 * kMs);
  EXPECT_NEAR(static_cast<double>(later.used_ns - used_ns), 50.0 * kMs, 12.0 * kMs);
}

TEST(Turns, AlonePassesAndIsNotMeasured) {
  VirtualGpu gpu;
  VirtualGpu::Client& first = gpu.Add(1, Share(0.5), Always(kMs));
  EXPECT_EQ(first.grants.grants()[0].mode, TurnMode::kOpen);
  VirtualGpu::Client& second = gpu.Add(2, Share(0.5), Always(kMs));
  EXPECT_NE(first.grants.grants()[0].mode, TurnMode::kOpen);
  gpu.Kill(second);
  EXPECT_EQ(first.grants.grants()[0].mode, TurnMode::kOpen);
}

TEST(Turns, OtherNumbersHoldFromTheNextTurnOn) {
  VirtualGpu gpu;
  VirtualGpu::Client& first = gpu.Add(1, Share(0.5), Always(200'000));
  VirtualGpu::Client& second = gpu.Add(2, Share(0.5), Always(kMs));
  gpu.Run(kSecond);
  gpu.turns.Resize(2, Share(0.2), gpu.now_ns);
  gpu.turns.Resize(1, Share(0.8), gpu.now_ns);
  const uint64_t first_ns = first.used_ns;
  const uint64_t second_ns = second.used_ns;
  gpu.Run(200 * kMs);
  EXPECT_NEAR(static_cast<double>(first.used_ns - first_ns), 160.0 * kMs, 10.0 * kMs);
  EXPECT_NEAR(static_cast<double>(second.used_ns - second_ns), 40.0 * kMs, 10.0 * kMs);
}

TEST(Turns, ProcessesOfASessionDivideWhatIsItsOwn) {
  VirtualGpu gpu;
  gpu.Add(1, Share(0.5), Always(5 * kMs));
  gpu.Add(1, Share(0.5), Always(20'000));
  gpu.Add(2, Share(0.5), Always(kMs));
  gpu.Run(10 * kSecond);
  EXPECT_NEAR(PartOf(gpu, 2), 0.5, 0.005);
  EXPECT_NEAR(PartOf(gpu, 0), 0.25, 0.01);
}

TEST(Turns, AWorkerIsNotBelievedWhatCannotBe) {
  VirtualGpu gpu;
  VirtualGpu::Client& client = gpu.Add(1, Share(0.5), Always(0));
  gpu.Add(2, Share(0.5), Always(0));
  client.uses.uses()[0].used_ns = UINT64_MAX;
  gpu.now_ns += kSecond;
  gpu.turns.Look(gpu.now_ns);
  EXPECT_EQ(gpu.turns.FiguresOf(1, 0).used_ns, kSecond);
  client.uses.uses()[0].used_ns = 0;
  gpu.turns.Look(gpu.now_ns);
  EXPECT_EQ(gpu.turns.FiguresOf(1, 0).used_ns, kSecond);
}

TEST(TurnMemory, AGrantCannotBeWrittenByItsReader) {
  const TurnMemory grants = TurnMemory::Make(1, false).value();
  EXPECT_FALSE(TurnMemory::Take(grants.descriptor(), 1, true).ok());
  EXPECT_TRUE(TurnMemory::Take(grants.descriptor(), 1, false).ok());
  EXPECT_NE(ftruncate(grants.descriptor().get(), 0), 0) << "nor taken away";
  EXPECT_FALSE(TurnMemory::Take(grants.descriptor(), 1000, false).ok()) << "it is for one device";
}

}  // namespace
}  // namespace farlane::server
