// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/worked_time.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kBegin = 1'000 * kMs;

void NoteIdle(WorkedTime& worked, std::initializer_list<WorkedTime::Worker> workers) {
  for (const WorkedTime::Worker worker : workers) {
    worked.Note(worker, {});
  }
}

TEST(WorkedTime, WhoWorksAloneIsBelieved) {
  WorkedTime worked;
  NoteIdle(worked, {1, 2});
  worked.Divide(kBegin);
  worked.Note(1, {.used_ns = 5 * kMs, .commands = 1, .in_flight = false});
  worked.Divide(kBegin + 4 * kMs);  // its clock and ours are read at other times
  EXPECT_EQ(worked.Cut(1, 5 * kMs), 5 * kMs);
}

// Three commands of a millisecond that were given together: they say 1, 2 and 3 when they end.
TEST(WorkedTime, WhoWaitsBehindOthersDoesNotPayForThem) {
  WorkedTime worked;
  NoteIdle(worked, {1, 2, 3});
  worked.Divide(kBegin);
  for (const WorkedTime::Worker worker : {1, 2, 3}) {
    worked.Note(worker, {.used_ns = 0, .commands = 0, .in_flight = true});
  }
  worked.Divide(kBegin);
  for (uint64_t done = 1; done <= 3; ++done) {
    for (uint64_t worker = 1; worker <= 3; ++worker) {
      worked.Note(worker, {.used_ns = worker == done ? done * kMs : 0,
                           .commands = worker == done ? 1u : 0u,
                           .in_flight = worker > done});
    }
    worked.Divide(kBegin + done * kMs);
    EXPECT_EQ(worked.Cut(done, done * kMs), kMs) << done;
  }
}

TEST(WorkedTime, WhoSaysLittleIsBelievedAndTheOthersShareTheRest) {
  WorkedTime worked;
  NoteIdle(worked, {1, 2, 3});
  worked.Divide(kBegin);
  worked.Note(1, {.used_ns = kMs, .commands = 1, .in_flight = false});
  worked.Note(2, {.used_ns = 9 * kMs, .commands = 1, .in_flight = false});
  worked.Note(3, {.used_ns = 10 * kMs, .commands = 1, .in_flight = false});
  worked.Divide(kBegin + 10 * kMs);
  EXPECT_EQ(worked.Cut(1, kMs), kMs);
  EXPECT_EQ(worked.Cut(2, 9 * kMs), 4'500'000u);
  EXPECT_EQ(worked.Cut(3, 10 * kMs), 4'500'000u);
  EXPECT_EQ(worked.Cut(3, 5 * kMs), 2'250'000u) << "a part of what it says";
}

// What was not said while the device did nothing is nobody's.
TEST(WorkedTime, TimeInWhichNobodyWorkedIsNotDivided) {
  WorkedTime worked;
  NoteIdle(worked, {1, 2});
  worked.Divide(kBegin);
  NoteIdle(worked, {1, 2});
  worked.Divide(kBegin + 100 * kMs);
  worked.Note(1, {.used_ns = 4 * kMs, .commands = 1, .in_flight = false});
  worked.Note(2, {.used_ns = 4 * kMs, .commands = 1, .in_flight = false});
  worked.Divide(kBegin + 104 * kMs);
  EXPECT_EQ(worked.Cut(1, 4 * kMs), 2 * kMs);
  EXPECT_EQ(worked.Cut(2, 4 * kMs), 2 * kMs);
}

// A command that takes long is said at its end, with all of its time.
TEST(WorkedTime, ALongCommandHasTheTimeThatNobodyElseHadSinceItBegan) {
  WorkedTime worked;
  NoteIdle(worked, {1, 2});
  worked.Divide(kBegin);
  for (uint64_t at = 1; at <= 10; ++at) {
    const bool other = at == 5;
    worked.Note(1, {.used_ns = at == 10 ? 10 * kMs : 0,
                    .commands = at == 10 ? 1u : 0u,
                    .in_flight = at != 10});
    worked.Note(2, {.used_ns = other ? kMs : 0, .commands = other ? 1u : 0u, .in_flight = at == 4});
    worked.Divide(kBegin + at * kMs);
    if (other) {
      EXPECT_EQ(worked.Cut(2, kMs), kMs);
    }
  }
  EXPECT_EQ(worked.Cut(1, 10 * kMs), 9 * kMs);
}

}  // namespace
}  // namespace farlane::server
