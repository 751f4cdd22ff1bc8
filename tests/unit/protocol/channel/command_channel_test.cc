// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/command_channel.h"

#include <algorithm>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/support/slowness.h"
#include "tests/unit/protocol/channel/command_channel_fixture.h"

namespace farlane::channel {
namespace {

// ---- sending

TEST_P(CommandChannelTest, APostLeavesAtOnceWhenTheServerIsIdle) {
  const Signal arrived;
  Start([arrived](ServerEnd& end) {
    EXPECT_EQ(end.Next()->op, wire::Op::kSetContext);
    arrived.Give();
    end.ServeToTheEnd();
  });

  EXPECT_EQ(channel().Post(wire::SetContext{.context = 1}), 1u);

  EXPECT_EQ(channel().counters().sends, 1u);
  EXPECT_EQ(channel().counters().posts, 1u);
  arrived.Wait();
}

void PostLaunches(CommandChannel& channel) {
  const std::vector<std::byte> parameters(64);
  for (int i = 0; i < 10'000; ++i) {
    channel.Post(wire::Launch{.parameters = parameters});
  }
}

TEST_P(CommandChannelTest, PostsGatherWhileTheServerIsBusy) {
  Start([](ServerEnd& end) {
    EXPECT_EQ(end.Next(10'000).size(), 10'000u);
    end.ServeToTheEnd();
  });

  PostLaunches(channel());

  EXPECT_LE(channel().counters().sends, 200u * kSlowness);
  EXPECT_EQ(CallFor(0), 10'001);
  EXPECT_EQ(channel().counters().posts, 10'000u);
  EXPECT_EQ(channel().counters().calls, 1u);
}

TEST_P(CommandChannelTest, PostsGatherThoughTheServerIsQuick) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });

  PostLaunches(channel());

  EXPECT_LE(channel().counters().sends, 200u * kSlowness);
  EXPECT_EQ(CallFor(0), 10'001);
}

// A timer that fires all the time takes more from whoever posts than the posts themselves.
TEST_P(CommandChannelTest, PostsThatKeepComingNeedNobodyToSendThem) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  constexpr uint64_t kStreamNs = 20'000'000;
  constexpr uint64_t kLooksMax = kSlowness == 1 ? 100 : 200;  // one each 50 µs would be 400
  const std::vector<std::byte> parameters(64);
  uint64_t fewest = UINT64_MAX;
  for (int attempt = 0; attempt < 20 && fewest > kLooksMax; ++attempt) {
    const uint64_t before = channel().counters().looks;
    const uint64_t start_ns = NowNs();
    while (NowNs() - start_ns < kStreamNs) {
      channel().Post(wire::Launch{.parameters = parameters});
    }
    fewest = std::min(fewest, channel().counters().looks - before);
  }
  EXPECT_LE(fewest, kLooksMax);
}

TEST_P(CommandChannelTest, APostThatLingersLeavesWithoutFurtherCalls) {
  std::atomic<uint64_t> arrived_ns{0};
  Start([&arrived_ns](ServerEnd& end) {
    while (const auto message = end.Next()) {
      if (message->op == wire::Op::kSetContext) {
        arrived_ns = NowNs();
      } else if (message->op == wire::Op::kMemoryInfo) {
        end.Answer(*message, 0);
      }
      // A memset is never acknowledged by itself, so what follows it lingers.
    }
  });
  uint64_t quickest_ns = UINT64_MAX;
  for (int attempt = 0; attempt < 20 && quickest_ns > 10'000'000; ++attempt) {
    CallFor(0);
    arrived_ns = 0;
    channel().Post(wire::MemsetD8Async{});
    const uint64_t posted_ns = NowNs();
    channel().Post(wire::SetContext{.context = 1});
    while (arrived_ns == 0 && NowNs() - posted_ns < kPatienceNs) {
      std::this_thread::yield();
    }
    ASSERT_NE(arrived_ns, 0u) << "it never left";
    quickest_ns = std::min(quickest_ns, arrived_ns - posted_ns);
  }
  EXPECT_LE(quickest_ns, 10'000'000u);
}

TEST_P(CommandChannelTest, SeveralMessagesStayTogether) {
  Start([](ServerEnd& end) {
    const auto all = end.Next(4000);
    for (size_t i = 0; i + 1 < all.size(); i += 2) {
      wire::SetContext context;
      wire::ContextSynchronize synchronize;
      ASSERT_EQ(all[i].op, wire::Op::kSetContext);
      ASSERT_EQ(Decode(all[i].body, &context), wire::WireError::kNone);
      ASSERT_EQ(Decode(all[i + 1].body, &synchronize), wire::WireError::kNone);
      ASSERT_EQ(context.context, synchronize.context);
    }
    end.ServeToTheEnd();
  });
  const auto post = [this](uint64_t number) {
    for (int i = 0; i < 1000; ++i) {
      channel().PostWith([&](BatchWriter& writer) {
        writer.Append(wire::SetContext{.context = number});
        return writer.Append(wire::ContextSynchronize{.context = number});
      });
    }
  };
  std::thread other(post, 1);
  post(2);
  other.join();
  EXPECT_EQ(channel().counters().posts, 4000u);
}

TEST_P(CommandChannelTest, AFullSocketWhileTheServerFloodsUsIsNoDeadlock) {
  constexpr int kLines = 400;
  constexpr size_t kCopies = 200;
  Start([kCopies](ServerEnd& end) {
    // Writes all before it reads anything: it gets on only because we read while we want to write.
    const std::string text(100'000, 'x');
    for (int i = 0; i < kLines; ++i) {
      end.Send(Line(text));
    }
    EXPECT_EQ(end.Next(kCopies).size(), kCopies);
    end.ServeToTheEnd();
  });
  const std::vector<std::byte> data(wire::kPieceBytes);
  for (size_t i = 0; i < kCopies; ++i) {
    EXPECT_NE(channel().Post(wire::CopyIn{.data = data}), 0u);
  }
  EXPECT_EQ(CallFor(0), static_cast<int32_t>(kCopies) + 1);
  EXPECT_EQ(listener_.heard(), kLines);
}

// ---- calling

TEST_P(CommandChannelTest, ACallHasItsAnswer) {
  Start([](ServerEnd& end) {
    const auto call = end.Next();
    const wire::MemoryInfoReply reply{.free_bytes = 5, .total_bytes = 7};
    std::vector<std::byte> body(EncodedBytes(reply));
    Encode(reply, body.data());
    end.Answer(*call, 2, body);
    end.ServeToTheEnd();
  });
  Answer answer;
  ASSERT_TRUE(channel().Call(wire::MemoryInfo{.device = 3}, &answer).ok());
  EXPECT_EQ(answer.result, 2);
  wire::MemoryInfoReply reply;
  ASSERT_EQ(Decode(answer.body, &reply), wire::WireError::kNone);
  EXPECT_EQ(reply.total_bytes, 7u);
}

// ---- what the server says unasked

TEST_P(CommandChannelTest, WaitUntilHearsTheServer) {
  Start([](ServerEnd& end) {
    EXPECT_EQ(end.Next()->op, wire::Op::kSetContext);
    end.Send(Line("one "));
    end.Send(Line("two"));
    end.ServeToTheEnd();
  });
  channel().Post(wire::SetContext{});
  EXPECT_TRUE(channel().WaitUntil([this] { return listener_.heard() == 2; }).ok());
  EXPECT_EQ(listener_.text(), "one two");
}

TEST_P(CommandChannelTest, PollingSendsAndHearsButDoesNotWait) {
  const Signal heard;
  Start([heard](ServerEnd& end) {
    EXPECT_EQ(end.Next()->op, wire::Op::kSetContext);
    end.Send(Line("done"));
    heard.Wait();
    end.ServeToTheEnd();
  });
  channel().Post(wire::SetContext{});
  const uint64_t until = NowNs() + kPatienceNs;
  while (listener_.heard() == 0 && NowNs() < until) {
    channel().Poll();
  }
  EXPECT_EQ(listener_.text(), "done");
  heard.Give();
  channel().Poll();  // there is nothing, and nobody waits for it
  EXPECT_EQ(channel().counters().round_trips, 0u);
}

TEST_P(CommandChannelTest, WaitUntilForWhatIsTrueReadsNothing) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  EXPECT_TRUE(channel().WaitUntil([] { return true; }).ok());
}

TEST_P(CommandChannelTest, WaitUntilEndsAtItsDeadlineAndTheChannelGoesOn) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  const uint64_t start = NowNs();
  EXPECT_EQ(channel().WaitUntil([] { return false; }, start + 20'000'000).code(),
            StatusCode::kTimeout);
  EXPECT_GE(NowNs() - start, 20'000'000u);
  EXPECT_EQ(CallFor(0), 1);
}

TEST_P(CommandChannelTest, WaitUntilEndsAtItsDeadlineWhileAnotherThreadReads) {
  const Signal caller_waits;
  const Signal over;
  Start([caller_waits, over](ServerEnd& end) {
    const auto call = end.Next();
    caller_waits.Give();
    over.Wait();
    end.Answer(*call, 5);
    end.ServeToTheEnd();
  });
  std::thread caller([&] { EXPECT_EQ(CallFor(0), 5); });
  caller_waits.Wait();
  const uint64_t start = NowNs();

  EXPECT_EQ(channel().WaitUntil([] { return false; }, start + 30'000'000).code(),
            StatusCode::kTimeout);

  EXPECT_GE(NowNs() - start, 30'000'000u);
  over.Give();
  caller.join();
}

TEST_P(CommandChannelTest, AnAnswerMayBeTakenLater) {
  Start([](ServerEnd& end) {
    const auto first = end.Next();
    const auto second = end.Next();
    end.Answer(*second, 2);
    end.Answer(*first, 1);
    end.ServeToTheEnd();
  });
  const auto append = [](BatchWriter& writer) { return writer.Append(wire::MemoryInfo{}); };
  PendingCall early(channel());
  ASSERT_TRUE(channel().BeginWith(append, &early).ok());
  EXPECT_EQ(CallFor(0), 2);

  Answer answer;
  EXPECT_TRUE(early.Await(&answer).ok());
  EXPECT_EQ(answer.result, 1);
  EXPECT_EQ(CallFor(0), 3);
}

TEST_P(CommandChannelTest, AnAnswerThatNobodyTakesIsNoBreach) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  {
    PendingCall forgotten(channel());
    ASSERT_TRUE(
        channel()
            .BeginWith([](BatchWriter& writer) { return writer.Append(wire::MemoryInfo{}); },
                       &forgotten)
            .ok());
  }
  EXPECT_EQ(CallFor(0), 2);
}

TEST_P(CommandChannelTest, WhatIsTooLongIsRefusedAndTheChannelGoesOn) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  const std::string name(wire::kMessageBytesMax, 'n');
  Answer answer;

  EXPECT_EQ(channel().Call(wire::ImageGlobal{.name = name}, &answer).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(channel().Post(wire::ImagePiece{.data = std::as_bytes(std::span(name))}), 0u);

  EXPECT_EQ(CallFor(0), 1);
}

TEST_P(CommandChannelTest, WhoOnlyReceivesAcknowledgesAllTheSame) {
  constexpr int kLines = 100;
  const Signal begin;
  Start([begin](ServerEnd& end) {
    begin.Wait();
    const std::string text(10'000, 'x');
    for (int i = 0; i < kLines; ++i) {
      end.Send(Line(text));
    }
    while (end.acknowledged() < kLines / 2 && !end.Next().has_value()) {
    }
    EXPECT_GE(end.acknowledged(), static_cast<wire::Sequence>(kLines / 2));
  });
  begin.Give();

  EXPECT_TRUE(channel().WaitUntil([this] { return listener_.heard() == kLines; }).ok());

  EXPECT_EQ(channel().counters().posts, 0u);
  channel().Close();
}

TEST_P(CommandChannelTest, WaitUntilSeesWhatAnotherThreadReads) {
  const Signal caller_waits;
  Start([caller_waits](ServerEnd& end) {
    const auto call = end.Next();
    caller_waits.Give();
    EXPECT_EQ(end.Next()->op, wire::Op::kSetContext);
    end.Send(Line("done"));
    // The caller, who reads, is answered only after the other has gone on.
    EXPECT_EQ(end.Next()->op, wire::Op::kEventRecord);
    end.Answer(*call, 4);
    end.ServeToTheEnd();
  });
  std::thread caller([&] { EXPECT_EQ(CallFor(0), 4); });
  caller_waits.Wait();
  channel().Post(wire::SetContext{});

  EXPECT_TRUE(channel().WaitUntil([this] { return listener_.heard() == 1; }).ok());

  channel().Post(wire::EventRecord{});
  caller.join();
}

TEST_P(CommandChannelTest, WhatTheServerWantsIsSentWhileACallWaits) {
  Start([](ServerEnd& end) {
    for (int i = 0; i < 20; ++i) {
      const auto call = end.Next();
      end.Send(wire::ImageWanted{});
      EXPECT_EQ(end.Next()->op, wire::Op::kImagePiece);
      end.Answer(*call, i);
    }
    end.ServeToTheEnd();
  });
  listener_.on_wanted = [this] { channel().Post(wire::ImagePiece{}); };
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(CallFor(0), i);
  }
}

TEST_P(CommandChannelTest, WhatTheServerWantsIsSentWhoeverHearsOfIt) {
  constexpr size_t kImages = 200;
  Start([](ServerEnd& end) {
    while (const auto message = end.Next()) {
      if (message->op == wire::Op::kMemsetD8Async) {
        end.Send(wire::ImageWanted{});
      } else if (message->op == wire::Op::kImagePiece) {
        end.Send(Line("."));
      }
    }
  });
  listener_.on_wanted = [this] { channel().Post(wire::ImagePiece{}); };
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) {
      channel().Post(wire::SetContext{});  // may read the wish in passing
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  });
  for (size_t i = 1; i <= kImages; ++i) {
    channel().Post(wire::MemsetD8Async{});
    EXPECT_TRUE(channel().WaitUntil([&] { return listener_.text().size() >= i; }).ok());
  }
  done = true;
  other.join();
}

TEST_P(CommandChannelTest, OthersPostWhileAListenerIsBusy) {
  Start([](ServerEnd& end) {
    while (const auto message = end.Next()) {
      if (message->op == wire::Op::kMemsetD8Async) {
        end.Send(Line("x"));
      } else if (message->op == wire::Op::kMemoryInfo) {
        end.Answer(*message, 1);
      }
    }
  });
  listener_.on_message = [this] {
    std::thread([this] { EXPECT_NE(channel().Post(wire::SetContext{}), 0u); }).join();
  };
  for (int i = 1; i <= 100; ++i) {
    channel().Post(wire::MemsetD8Async{});
    while (listener_.heard() < i) {
      channel().Post(wire::EventRecord{});  // reads in passing
    }
  }
  EXPECT_EQ(CallFor(0), 1);
}

TEST_P(CommandChannelTest, TheServerLearnsWhatWeHaveDealtWith) {
  Start([](ServerEnd& end) {
    const auto first = end.Next();
    EXPECT_EQ(end.acknowledged(), 0u);
    end.Append(Line("a"));
    end.Append(Line("b"));
    end.Answer(*first, 0);
    const auto second = end.Next();
    EXPECT_EQ(end.acknowledged(), 3u);
    end.Answer(*second, 0);
    end.ServeToTheEnd();
    EXPECT_EQ(end.acknowledged(), 4u);
  });
  CallFor(0);
  CallFor(0);
}

// ---- the end

TEST_P(CommandChannelTest, CloseSaysByeAndMayBeRepeated) {
  Start([](ServerEnd& end) {
    EXPECT_EQ(end.Next()->op, wire::Op::kSetContext);
    EXPECT_FALSE(end.Next().has_value());
    EXPECT_TRUE(end.heard_bye());
  });
  channel().Post(wire::SetContext{});
  channel().Close();
  channel().Close();

  EXPECT_TRUE(channel().is_lost());
  EXPECT_EQ(channel().Post(wire::SetContext{}), 0u);
  Answer answer{.result = 77, .body = {}};
  EXPECT_FALSE(channel().Call(wire::MemoryInfo{}, &answer).ok());
  EXPECT_EQ(answer.result, 77);
  EXPECT_FALSE(channel().WaitUntil([] { return false; }).ok());
}

TEST_P(CommandChannelTest, CloseSendsWhatLingers) {
  Start([](ServerEnd& end) {
    EXPECT_EQ(end.Next(1000).size(), 1000u);
    EXPECT_FALSE(end.Next().has_value());
    EXPECT_TRUE(end.heard_bye());
  });
  for (int i = 0; i < 1000; ++i) {
    channel().Post(wire::SetContext{});
  }
  channel().Close();
}

TEST_P(CommandChannelTest, CloseFreesWhoeverWaits) {
  const Signal waits;
  Start([waits](ServerEnd& end) {
    EXPECT_EQ(end.Next(2).size(), 2u);
    waits.Give();
    EXPECT_FALSE(end.Next().has_value());
  });
  const auto fails = [this] {
    Answer answer;
    EXPECT_EQ(channel().Call(wire::MemoryInfo{}, &answer).code(), StatusCode::kUnavailable);
  };
  std::thread one(fails);
  std::thread other(fails);
  std::thread watcher([this] { EXPECT_FALSE(channel().WaitUntil([] { return false; }).ok()); });
  waits.Wait();
  channel().Close();
  one.join();
  other.join();
  watcher.join();
}

TEST_P(CommandChannelTest, CloseDoesNotWaitForAServerThatIsStuck) {
  const Signal enough;
  Start([enough](ServerEnd&) { enough.Wait(); });
  std::thread writer([this] {
    const std::vector<std::byte> data(wire::kPieceBytes);
    while (channel().Post(wire::CopyIn{.data = data}) != 0) {
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));

  const uint64_t start = NowNs();
  channel().Close();
  EXPECT_LE(NowNs() - start, 3'000'000'000u);

  writer.join();
  enough.Give();
}

TEST_P(CommandChannelTest, ADeadServerFreesAllWhoWait) {
  Start([](ServerEnd& end) { EXPECT_EQ(end.Next(6).size(), 6u); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([this] {
      Answer answer;
      const Status status = channel().Call(wire::MemoryInfo{}, &answer);
      EXPECT_EQ(status.code(), StatusCode::kUnavailable);
      EXPECT_NE(status.message().find("closed the connection"), std::string::npos);
    });
  }
  threads.emplace_back([this] { EXPECT_FALSE(channel().WaitUntil([] { return false; }).ok()); });
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(channel().is_lost());
}

TEST_P(CommandChannelTest, AnAnswerBeforeTheEndStillCounts) {
  Start([](ServerEnd& end) {
    const auto call = end.Next();
    end.Answer(*call, 3);
    end.Bye();
  });
  EXPECT_EQ(CallFor(0), 3);
  Answer answer;
  const Status status = channel().Call(wire::MemoryInfo{}, &answer);
  EXPECT_FALSE(status.ok());
}

TEST_P(CommandChannelTest, PostsFindOutThatTheServerIsGone) {
  Start([](ServerEnd&) {});
  server_->Join();
  const uint64_t until = NowNs() + kPatienceNs;
  while (!channel().is_lost() && NowNs() < until) {
    channel().Post(wire::SetContext{});
  }
  EXPECT_TRUE(channel().is_lost());
  EXPECT_EQ(channel().Post(wire::SetContext{}), 0u);
}

// ---- fork

TEST_P(CommandChannelTest, AForkedChildLeavesTheParentsStreamAlone) {
  Start([](ServerEnd& end) { end.ServeToTheEnd(); });
  for (int i = 0; i < 100; ++i) {
    channel().Post(wire::SetContext{});  // so that the thread which tends exists
  }
  const pid_t child = fork();
  if (child == 0) {
    // Locks may have been held by threads that do not exist here, so nothing else may be called.
    channel().AbandonAfterFork();
    _exit(channel().is_lost() ? 0 : 1);
  }
  int state = 0;
  ASSERT_EQ(waitpid(child, &state, 0), child);
  EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0);

  EXPECT_EQ(CallFor(0), 101);
  EXPECT_FALSE(channel().is_lost());
}

INSTANTIATE_TEST_SUITE_P(Over, CommandChannelTest, kEveryTransport, TransportName);

}  // namespace
}  // namespace farlane::channel
