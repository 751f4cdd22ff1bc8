// SPDX-License-Identifier: Apache-2.0
// What the command channel makes of a server that breaks the protocol: it ends, and everybody is
// told why.
#include <algorithm>
#include <future>
#include <thread>

#include "tests/unit/protocol/channel/command_channel_fixture.h"

namespace farlane::channel {
namespace {

class BrokenServer : public CommandChannelTest {
 protected:
  void ExpectLost(std::function<void(ServerEnd&, const Received&)> breaks, const char* why) {
    Start([breaks = std::move(breaks)](ServerEnd& end) {
      const auto call = end.Next();
      breaks(end, *call);
      EXPECT_FALSE(end.Next().has_value());
    });
    Answer answer{.result = 77, .body = {}};
    const Status status = channel().Call(wire::MemoryInfo{}, &answer);
    EXPECT_EQ(status.code(), StatusCode::kCorrupt);
    EXPECT_NE(status.message().find(why), std::string::npos) << status.message();
    EXPECT_EQ(answer.result, 77);
  }
};

TEST_P(BrokenServer, Garbage) {
  ExpectLost(
      [](ServerEnd& end, const Received&) {
        end.SendRaw(std::as_bytes(std::span("HTTP/1.1 400 Bad Request\r\n\r\n")));
      },
      "contradictory header");
}

TEST_P(BrokenServer, AnAnswerToNobody) {
  ExpectLost([](ServerEnd& end,
                const Received& call) { end.Send(wire::Reply{.sequence = call.sequence + 1}); },
             "reference to nothing");
}

TEST_P(BrokenServer, AMessageOfAClient) {
  ExpectLost([](ServerEnd& end, const Received&) { end.Send(wire::SetContext{}); }, "wrong side");
}

TEST_P(BrokenServer, AMessageThatDoesNotDecode) {
  ExpectLost(
      [](ServerEnd& end, const Received&) {
        const std::byte batch[] = {
            std::byte{32},   std::byte{}, std::byte{},  std::byte{},  // bytes
            std::byte{1},    std::byte{}, std::byte{1}, std::byte{},  // kind, flags, count
            std::byte{1},    std::byte{}, std::byte{},  std::byte{},  // first_sequence
            std::byte{},     std::byte{}, std::byte{},  std::byte{},  //
            std::byte{},     std::byte{}, std::byte{},  std::byte{},  // executed
            std::byte{},     std::byte{}, std::byte{},  std::byte{},  //
            std::byte{0x31}, std::byte{}, std::byte{},  std::byte{},  // a Reply
            std::byte{8},    std::byte{}, std::byte{},  std::byte{},  // without a body
        };
        end.SendRaw(batch);
      },
      "truncated");
}

TEST_P(BrokenServer, AnAcknowledgementOfWhatWasNeverSent) {
  ExpectLost([](ServerEnd& end, const Received& call) { end.Acknowledge(call.sequence + 1); },
             "out of order");
}

TEST_P(BrokenServer, EveryWaitingThreadIsTold) {
  Start([](ServerEnd& end) {
    EXPECT_EQ(end.Next(4).size(), 4u);
    end.Send(wire::SetContext{});
    EXPECT_FALSE(end.Next().has_value());
  });
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      Answer answer;
      EXPECT_EQ(channel().Call(wire::MemoryInfo{}, &answer).code(), StatusCode::kCorrupt);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

INSTANTIATE_TEST_SUITE_P(Over, BrokenServer, kEveryTransport, TransportName);

}  // namespace
}  // namespace farlane::channel
