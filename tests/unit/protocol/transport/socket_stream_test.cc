// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/socket_stream.h"

#include <array>
#include <cstring>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/transport/address.h"

namespace farlane::transport {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

struct Pair {
  static std::array<int, 2> Make() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    return ends;
  }

  explicit Pair(std::array<int, 2> ends = Make()) : one(Fd(ends[0])), other(Fd(ends[1])) {}

  SocketStream one;
  SocketStream other;
};

iovec Part(const std::string& text) {
  return {.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
}

std::string ReadText(SocketStream& stream) {
  std::array<std::byte, 64> room;
  const Result<Transfer> got = stream.Read(room);
  EXPECT_TRUE(got.ok());
  return {reinterpret_cast<const char*>(room.data()), got->bytes};
}

TEST(SocketStream, GivesTheBytesOfAllPartsInOrder) {
  Pair pair;
  const std::string hello = "hello, ";
  const std::string world = "world";
  const std::array<iovec, 2> parts{Part(hello), Part(world)};

  EXPECT_EQ(pair.one.Write(parts).value(), 12u);

  EXPECT_EQ(ReadText(pair.other), "hello, world");
}

TEST(SocketStream, DoesNotWaitWhenNothingHasArrived) {
  Pair pair;
  std::array<std::byte, 8> room;

  const Result<Transfer> got = pair.one.Read(room);

  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got->bytes, 0u);
  EXPECT_FALSE(got->closed);
}

TEST(SocketStream, RoomForNothingIsNotTheEnd) {
  Pair pair;
  const Result<Transfer> got = pair.one.Read(Bytes());
  ASSERT_TRUE(got.ok());
  EXPECT_FALSE(got->closed);
}

TEST(SocketStream, TakesNothingWhenTheSocketIsFull) {
  Pair pair;
  const std::vector<char> much(16 << 20);
  const iovec part{.iov_base = const_cast<char*>(much.data()), .iov_len = much.size()};
  const size_t first = pair.one.Write(std::span(&part, 1)).value();
  EXPECT_GT(first, 0u);
  EXPECT_LT(first, much.size());

  EXPECT_EQ(pair.one.Write(std::span(&part, 1)).value(), 0u);

  EXPECT_FALSE(pair.one.Wait(Interest::kWrite, NowNs() + 1'000'000).value());
}

TEST(SocketStream, WaitEndsAtItsDeadline) {
  Pair pair;
  const uint64_t start = NowNs();
  EXPECT_FALSE(pair.one.Wait(Interest::kRead, start + 20'000'000).value());
  EXPECT_GE(NowNs() - start, 20'000'000u);
}

TEST(SocketStream, ADeadlineThatHasPassedOnlyLooks) {
  Pair pair;
  EXPECT_FALSE(pair.one.Wait(Interest::kRead, 0).value());
  EXPECT_TRUE(pair.one.Wait(Interest::kReadOrWrite, 0).value());
}

TEST(SocketStream, WaitEndsWhenBytesArrive) {
  Pair pair;
  const std::string text = "x";
  const iovec part = Part(text);
  std::thread writer([&] { EXPECT_EQ(pair.other.Write(std::span(&part, 1)).value(), 1u); });

  EXPECT_TRUE(pair.one.Wait(Interest::kRead, NowNs() + 10 * kSecond).value());

  writer.join();
  EXPECT_EQ(ReadText(pair.one), "x");
}

TEST(SocketStream, ShutdownWakesWhoWaitsAndTellsThePeer) {
  Pair pair;
  std::thread waiter([&] { EXPECT_TRUE(pair.one.Wait(Interest::kRead, kForever).value()); });

  pair.one.Shutdown();

  waiter.join();
  std::array<std::byte, 8> room;
  EXPECT_TRUE(pair.one.Read(room)->closed);
  EXPECT_TRUE(pair.other.Read(room)->closed);
}

TEST(SocketStream, WhatWasSentBeforeTheEndStillArrives) {
  Pair pair;
  const std::string text = "last words";
  const iovec part = Part(text);
  ASSERT_EQ(pair.one.Write(std::span(&part, 1)).value(), text.size());
  pair.one.Shutdown();

  EXPECT_EQ(ReadText(pair.other), text);

  std::array<std::byte, 8> room;
  EXPECT_TRUE(pair.other.Read(room)->closed);
}

TEST(SocketStream, WritingToNobodyIsAnErrorAndNoSignal) {
  Pair pair;
  pair.other.Shutdown();
  const std::string text = "x";
  const iovec part = Part(text);

  const Result<size_t> written = pair.one.Write(std::span(&part, 1));

  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code(), StatusCode::kUnavailable);
}

TEST(SocketStream, SendsSmallBatchesAtOnceOverTcp) {
  Address bound;
  const Fd listener = Listen(Address::Parse("127.0.0.1:0").value(), &bound).value();
  SocketStream stream(Connect(bound, kSecond).value());

  int delay_off = 0;
  socklen_t size = sizeof delay_off;
  ASSERT_EQ(getsockopt(stream.WaitFd(), IPPROTO_TCP, TCP_NODELAY, &delay_off, &size), 0);
  EXPECT_NE(delay_off, 0);
  EXPECT_NE(fcntl(stream.WaitFd(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace farlane::transport
