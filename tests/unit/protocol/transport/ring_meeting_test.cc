// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/ring_meeting.h"

#include <array>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "protocol/base/clock.h"
#include "protocol/transport/address.h"

namespace farlane::transport {
namespace {

constexpr uint64_t kPatienceNs = 20'000'000'000;

struct Ends {
  Fd near;
  Fd far;
};

Ends ConnectOverTcp() {
  Address bound;
  const Fd listener = Listen(Address::Parse("127.0.0.1:0").value(), &bound).value();
  Ends ends{.near = Connect(bound, kPatienceNs).value(), .far = {}};
  ends.far = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return ends;
}

std::string PathOf(const MeetingPlace& place) {
  static const char digits[] = "0123456789abcdef";
  std::string path = "@farlane-meet-";
  for (const uint8_t byte : place.name) {
    path += digits[byte >> 4];
    path += digits[byte & 15];
  }
  return path;
}

Fd Visit(const MeetingPlace& place) {
  const Address address{.kind = Address::Kind::kUnix, .host = {}, .path = PathOf(place)};
  return Connect(address, kPatienceNs).value();
}

void ExpectOnePipe(Stream& one, Stream& other) {
  char byte = 'x';
  const iovec part{.iov_base = &byte, .iov_len = 1};
  ASSERT_EQ(one.Write(std::span(&part, 1)).value(), 1u);
  std::byte came{};
  Transfer got;
  while (got.bytes == 0 && !got.closed) {
    got = other.Read(Bytes(&came, 1)).value();
    if (got.bytes == 0) {
      ASSERT_TRUE(other.Wait(Interest::kRead, NowNs() + kPatienceNs).value());
    }
  }
  EXPECT_EQ(came, std::byte{'x'});
}

class RingMeetingTest : public ::testing::Test {
 protected:
  // Lets the client come to `place`, and the server wait, at the same time.
  void Meet(const MeetingPlace& place) {
    std::thread coming([&] {
      near_ = ComeToMeeting(place, std::move(ends_.near), NowNs() + kPatienceNs).value();
    });
    far_ = meeting_.Await(std::move(ends_.far), NowNs() + kPatienceNs).value();
    coming.join();
  }

  Ends ends_ = ConnectOverTcp();
  const RingMeeting meeting_ = RingMeeting::Open().value();
  std::unique_ptr<Stream> near_;
  std::unique_ptr<Stream> far_;
};

TEST_F(RingMeetingTest, WhoComesWithTheProofSharesMemory) {
  Meet(meeting_.place());
  EXPECT_STREQ(near_->name(), "shm");
  EXPECT_STREQ(far_->name(), "shm");
  ExpectOnePipe(*near_, *far_);
  ExpectOnePipe(*far_, *near_);
}

TEST_F(RingMeetingTest, WhoCannotComeStaysOnTheConnection) {
  MeetingPlace elsewhere = meeting_.place();
  elsewhere.name[0] ^= 1;  // as if the server were on another machine
  Meet(elsewhere);
  EXPECT_STREQ(near_->name(), "tcp");
  EXPECT_STREQ(far_->name(), "tcp");
  ExpectOnePipe(*near_, *far_);
}

TEST_F(RingMeetingTest, WhoComesWithoutTheProofGetsNothing) {
  MeetingPlace guessed = meeting_.place();
  guessed.proof[15] ^= 1;
  Meet(guessed);
  EXPECT_STREQ(near_->name(), "tcp");
  EXPECT_STREQ(far_->name(), "tcp");
}

TEST_F(RingMeetingTest, VisitorsWhoSayNothingHoldNobodyUp) {
  std::vector<Fd> silent;
  for (int i = 0; i < 40; ++i) {
    silent.push_back(Visit(meeting_.place()));
  }
  Meet(meeting_.place());
  EXPECT_STREQ(far_->name(), "shm");
}

TEST_F(RingMeetingTest, VisitorsWhoShowPartOfTheProofAreSentAway) {
  const Fd visitor = Visit(meeting_.place());
  ASSERT_EQ(send(visitor.get(), meeting_.place().proof.data(), 15, MSG_NOSIGNAL), 15);
  Meet(meeting_.place());
  EXPECT_STREQ(far_->name(), "shm");
  char byte = 0;
  EXPECT_LE(recv(visitor.get(), &byte, 1, MSG_DONTWAIT), 0);
}

TEST_F(RingMeetingTest, AClientThatGoesIsNotWaitedFor) {
  ends_.near.Reset();
  const auto gone = meeting_.Await(std::move(ends_.far), NowNs() + 100 * kPatienceNs);
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code(), StatusCode::kUnavailable);
}

TEST_F(RingMeetingTest, AClientThatDoesNothingIsNotWaitedForLongerThanAsked) {
  const auto silent = meeting_.Await(std::move(ends_.far), NowNs() + 1'000'000);
  ASSERT_FALSE(silent.ok());
  EXPECT_EQ(silent.error().code(), StatusCode::kTimeout);
}

TEST_F(RingMeetingTest, OneAddressAtBothEndsMayBeOneMachine) {
  EXPECT_TRUE(MayBeOneMachine(ends_.near.get()));
  EXPECT_TRUE(MayBeOneMachine(ends_.far.get()));
  // Another address of the loopback network stands for another machine.
  const Fd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(bind(listener.get(), generic, size), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  ASSERT_EQ(getsockname(listener.get(), generic, &size), 0);
  const Fd other(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  ASSERT_EQ(bind(other.get(), reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
  ASSERT_EQ(connect(other.get(), generic, size), 0);
  EXPECT_FALSE(MayBeOneMachine(other.get()));
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const Fd one(ends[0]);
  const Fd two(ends[1]);
  EXPECT_FALSE(MayBeOneMachine(one.get()));
}

}  // namespace
}  // namespace farlane::transport
