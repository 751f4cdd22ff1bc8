// SPDX-License-Identifier: Apache-2.0
// Several threads of a program on one channel: one of them reads for all, and none holds up
// another.
#include <algorithm>
#include <thread>
#include <vector>

#include "tests/unit/protocol/channel/command_channel_fixture.h"

namespace farlane::channel {
namespace {

TEST_P(CommandChannelTest, RepliesOutOfOrderReachTheirCallers) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  Start([](ServerEnd& end) {
    for (int round = 0; round < kRounds; ++round) {
      auto calls = end.Next(kThreads);
      std::reverse(calls.begin(), calls.end());
      std::rotate(calls.begin(), calls.begin() + round % kThreads, calls.end());
      for (const Received& call : calls) {
        end.Answer(call, DeviceOf(call));
      }
    }
    end.ServeToTheEnd();
  });
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      for (int round = 0; round < kRounds; ++round) {
        ASSERT_EQ(CallFor(thread * 1000 + round), thread * 1000 + round);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(channel().counters().calls, static_cast<uint64_t>(kThreads * kRounds));
}

TEST_P(CommandChannelTest, ReadingIsHandedOn) {
  const Signal first_waits;
  const Signal first_is_done;
  Start([first_waits, first_is_done](ServerEnd& end) {
    const auto first = end.Next();
    first_waits.Give();
    const auto second = end.Next();
    end.Answer(*first, 1);
    first_is_done.Wait();
    end.Answer(*second, 2);
    end.ServeToTheEnd();
  });
  std::thread first([&] {
    EXPECT_EQ(CallFor(0), 1);
    first_is_done.Give();
  });
  first_waits.Wait();

  EXPECT_EQ(CallFor(0), 2);

  first.join();
}

TEST_P(CommandChannelTest, AWaitingThreadDoesNotHoldUpPosts) {
  const Signal waits;
  Start([waits](ServerEnd& end) {
    const auto call = end.Next();
    waits.Give();
    EXPECT_EQ(end.Next()->op, wire::Op::kEventRecord);  // what the call waits for
    end.Answer(*call, 9);
    end.ServeToTheEnd();
  });
  std::thread waiter([&] { EXPECT_EQ(CallFor(0), 9); });
  waits.Wait();
  channel().Post(wire::EventRecord{});
  waiter.join();
}

// Whoever is woken has its answer or reads on, so waiting in a crowd costs each call no more than a
// few wake-ups, instead of one of everybody for everything that comes.
TEST_P(CommandChannelTest, ACrowdOfCallersDoesNotWakeEachOther) {
  constexpr int kThreads = 8;
  constexpr int kRounds = 200;
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  const Signal begin;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, begin] {
      begin.Wait();
      int32_t last = 0;
      for (int round = 0; round < kRounds; ++round) {
        const int32_t number = CallFor(0);
        EXPECT_GT(number, last);  // a thread's calls are executed in its order
        last = number;
      }
    });
  }
  begin.Give();
  for (std::thread& thread : threads) {
    thread.join();
  }
  const ChannelCounters& counters = channel().counters();
  EXPECT_EQ(counters.calls, static_cast<uint64_t>(kThreads * kRounds));
  // One until the answer is there; one more each time that somebody else took over the reading
  // first, which happens no more often than it is given up.
  EXPECT_LE(counters.sleeps, 2u * kThreads * kRounds);
}

// As A in a synchronise that only B's later work can end, while C, D, … want other answers.
TEST_P(CommandChannelTest, OthersCallAndPostWhileOneWaitsForThem) {
  constexpr int kOthers = 4;
  constexpr int kRounds = 20;
  Start([](ServerEnd& end) {
    for (int round = 0; round < kRounds; ++round) {
      std::optional<Received> waits;
      int recorded = 0;
      while (recorded < kOthers) {
        const auto message = end.Next();
        ASSERT_TRUE(message.has_value());
        if (message->op == wire::Op::kEventRecord) {
          ++recorded;
        } else if (DeviceOf(*message) == -1) {
          waits = message;
        } else {
          end.Answer(*message, DeviceOf(*message));
        }
      }
      ASSERT_TRUE(waits.has_value());
      end.Answer(*waits, round);
    }
    end.ServeToTheEnd();
  });
  for (int round = 0; round < kRounds; ++round) {
    const Signal waits;
    std::thread waiter([&] {
      Answer answer;
      EXPECT_TRUE(channel()
                      .CallWith(
                          [&](BatchWriter& writer) {
                            waits.Give();
                            return writer.Append(wire::MemoryInfo{.device = -1});
                          },
                          &answer)
                      .ok());
      EXPECT_EQ(answer.result, round);
    });
    waits.Wait();
    std::vector<std::thread> others;
    for (int other = 0; other < kOthers; ++other) {
      others.emplace_back([this, other] {
        EXPECT_EQ(CallFor(other), other);
        channel().Post(wire::EventRecord{});
      });
    }
    for (std::thread& thread : others) {
      thread.join();
    }
    waiter.join();
  }
}

}  // namespace
}  // namespace farlane::channel
