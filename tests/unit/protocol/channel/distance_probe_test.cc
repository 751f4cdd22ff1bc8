// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/distance_probe.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "protocol/wire/hello.h"

namespace farlane::channel {
namespace {

using transport::Address;

// Answers each connection in its own way, until it is destroyed.
class Answerer {
 public:
  using Answer = std::function<void(int socket, const wire::ClientHello& hello)>;

  explicit Answerer(Answer answer) : answer_(std::move(answer)) {
    Result<Fd> listener = transport::Listen(*Address::Parse("tcp://127.0.0.1:0"), &address_);
    EXPECT_TRUE(listener.ok());
    listener_ = std::move(listener).value();
    thread_ = std::thread([this] { Run(); });
  }

  ~Answerer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  const Address& address() const { return address_; }

 private:
  void Run() {
    while (true) {
      const Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (socket.valid()) {
        wire::ClientHello hello{};
        EXPECT_EQ(recv(socket.get(), &hello, sizeof hello, MSG_WAITALL), ssize_t{sizeof hello});
        std::string burst(hello.slice.memory_bytes, '\0');
        if (!burst.empty()) {
          recv(socket.get(), burst.data(), burst.size(), MSG_WAITALL);
        }
        answer_(socket.get(), hello);
      } else if (errno != EAGAIN) {
        return;
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    }
  }

  const Answer answer_;
  Address address_;
  Fd listener_;
  std::thread thread_;
};

void Say(int socket, wire::Verdict verdict, const wire::PingReport& report) {
  wire::ServerHello answer{};
  memcpy(answer.magic, wire::kHelloMagic, sizeof answer.magic);
  answer.verdict = verdict;
  EXPECT_EQ(send(socket, &answer, sizeof answer, MSG_NOSIGNAL), ssize_t{sizeof answer});
  if (verdict == wire::Verdict::kWelcome) {
    EXPECT_EQ(send(socket, &report, sizeof report, MSG_NOSIGNAL), ssize_t{sizeof report});
  }
}

TEST(DistanceProbe, SaysHowLongAnAnswerTakes) {
  Answerer server([](int socket, const wire::ClientHello& hello) {
    EXPECT_EQ(hello.purpose, wire::Purpose::kPing);
    EXPECT_EQ(hello.token[0], '\0');
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    Say(socket, wire::Verdict::kWelcome, {});
  });
  const Result<Distance> distance = ProbeDistance(server.address(), {.pings = 3});
  ASSERT_TRUE(distance.ok()) << distance.error().message();
  EXPECT_GE(distance->rtt_s, 0.005);
  EXPECT_GE(distance->rtt_p90_s, distance->rtt_s);
  EXPECT_EQ(distance->bytes_per_s, 0);
  EXPECT_LE(distance->pings, 3U);
}

TEST(DistanceProbe, SaysHowMuchTheWayCarries) {
  Answerer server([](int socket, const wire::ClientHello& hello) {
    if (hello.slice.memory_bytes != 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    Say(socket, wire::Verdict::kWelcome,
        {.half_bytes = hello.slice.memory_bytes / 2, .half_ns = 20'000'000});
  });
  const Result<Distance> distance =
      ProbeDistance(server.address(), {.pings = 1, .burst_bytes = 200'000});
  ASSERT_TRUE(distance.ok()) << distance.error().message();
  EXPECT_NEAR(distance->bytes_per_s, 5e6, 1e5) << "as the second half came";
  EXPECT_FALSE(distance->carries_more);
}

TEST(DistanceProbe, ABurstThatTookNoLongerThanAWordSaysOnlyHowMuchAtLeast) {
  Answerer server([](int socket, const wire::ClientHello& hello) {
    const bool is_burst = hello.slice.memory_bytes != 0;
    std::this_thread::sleep_for(std::chrono::milliseconds(is_burst ? 10 : 50));
    Say(socket, wire::Verdict::kWelcome,
        {.half_bytes = hello.slice.memory_bytes / 2, .half_ns = 1'000});
  });
  const Result<Distance> distance =
      ProbeDistance(server.address(), {.pings = 1, .burst_bytes = 200'000});
  ASSERT_TRUE(distance.ok()) << distance.error().message();
  EXPECT_TRUE(distance->carries_more);
  EXPECT_GT(distance->bytes_per_s, 0);
  EXPECT_LE(distance->bytes_per_s, 200'000 / 0.010) << "it was under way for so long, or shorter";
}

TEST(DistanceProbe, AServerThatSaysNoIsAsFar) {
  Answerer server(
      [](int socket, const wire::ClientHello&) { Say(socket, wire::Verdict::kBadHello, {}); });
  EXPECT_TRUE(ProbeDistance(server.address(), {}).ok());
}

TEST(DistanceProbe, WhatIsNoServerIsNotMeasured) {
  Answerer other([](int socket, const wire::ClientHello&) {
    const std::string words(sizeof(wire::ServerHello), 'x');
    send(socket, words.data(), words.size(), MSG_NOSIGNAL);
  });
  Answerer silent([](int, const wire::ClientHello&) {});
  const auto found =
      ProbeDistances({other.address(), silent.address(), *Address::Parse("unix:/nowhere")}, {});
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].error().code(), StatusCode::kCorrupt);
  EXPECT_EQ(found[1].error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(found[2].error().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace farlane::channel
