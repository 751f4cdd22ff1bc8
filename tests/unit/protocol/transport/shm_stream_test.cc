// SPDX-License-Identifier: Apache-2.0
#include "protocol/transport/shm_stream.h"

#include <array>
#include <random>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"

namespace farlane::transport {
namespace {

constexpr uint64_t kPatienceNs = 20'000'000'000;
constexpr off_t kMemoryBytes = 2 * kRingBytes;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

struct Sockets {
  Fd one;
  Fd other;
};

Sockets MakeSockets() {
  std::array<int, 2> ends{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {.one = Fd(ends[0]), .other = Fd(ends[1])};
}

std::vector<std::byte> RandomBytes(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) {
    byte = static_cast<std::byte>(random());
  }
  return bytes;
}

// Writes all of it, waiting where there is no room.
void WriteAll(Stream& stream, ConstBytes bytes) {
  while (!bytes.empty()) {
    const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    const Result<size_t> written = stream.Write(std::span(&part, 1));
    ASSERT_TRUE(written.ok()) << written.error().message();
    bytes = bytes.subspan(*written);
    if (*written == 0) {
      ASSERT_TRUE(stream.Wait(Interest::kWrite, NowNs() + kPatienceNs).value());
    }
  }
}

class ShmStreamTest : public ::testing::Test {
 protected:
  ShmStreamTest() {
    Sockets sockets = MakeSockets();
    near_ = ShmStream::Offer(std::move(sockets.one)).value();
    far_ = ShmStream::Accept(std::move(sockets.other), NowNs() + kPatienceNs).value();
  }

  std::unique_ptr<ShmStream> near_;
  std::unique_ptr<ShmStream> far_;
};

TEST_F(ShmStreamTest, CarriesBytesBothWaysRoundTheRingAndAcrossSleeps) {
  const std::vector<std::byte> out = RandomBytes(3 * kRingDataBytes + 12345, 1);
  const std::vector<std::byte> back = RandomBytes(kRingDataBytes + 77, 2);
  std::thread partner([&] {
    std::vector<std::byte> got;
    std::vector<std::byte> piece(100'003);
    while (got.size() < out.size()) {
      const Transfer read = far_->Read(piece).value();
      got.insert(got.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(read.bytes));
      if (read.bytes == 0) {
        ASSERT_TRUE(far_->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
      }
    }
    EXPECT_EQ(got, out);
    WriteAll(*far_, back);
  });
  WriteAll(*near_, out);
  std::vector<std::byte> got(back.size());
  for (size_t have = 0; have < got.size();) {
    const Transfer read = near_->Read(Bytes(got).subspan(have)).value();
    have += read.bytes;
    if (read.bytes == 0) {
      ASSERT_TRUE(near_->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
    }
  }
  EXPECT_EQ(got, back);
  partner.join();
}

TEST_F(ShmStreamTest, AFullRingTakesNothingUntilSomethingIsRead) {
  const std::vector<std::byte> bytes(kRingDataBytes + 1);
  const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  EXPECT_EQ(near_->Write(std::span(&part, 1)).value(), kRingDataBytes);
  EXPECT_EQ(near_->Write(std::span(&part, 1)).value(), 0u);
  EXPECT_FALSE(near_->Wait(Interest::kWrite, NowNs() + 1'000'000).value());
  std::vector<std::byte> piece(10);
  EXPECT_EQ(far_->Read(piece).value().bytes, 10u);
  EXPECT_TRUE(near_->Wait(Interest::kWrite, NowNs() + kPatienceNs).value());
  EXPECT_EQ(near_->Write(std::span(&part, 1)).value(), 10u);
}

TEST_F(ShmStreamTest, AWaitEndsAtItsDeadline) {
  EXPECT_FALSE(near_->Wait(Interest::kRead, NowNs() + 1'000'000).value());
}

TEST_F(ShmStreamTest, WhatWasWrittenBeforeTheEndIsReadFirst) {
  const std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  WriteAll(*near_, bytes);
  near_->Shutdown();
  std::vector<std::byte> into(10);
  const Transfer first = far_->Read(into).value();
  EXPECT_EQ(first.bytes, 3u);
  EXPECT_FALSE(first.closed);
  EXPECT_TRUE(far_->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  EXPECT_TRUE(far_->Read(into).value().closed);
}

TEST_F(ShmStreamTest, TheOtherSidesDeathEndsAWait) {
  std::thread killer([this] { near_.reset(); });  // without a word, as a killed process
  EXPECT_TRUE(far_->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  killer.join();
  std::vector<std::byte> into(10);
  EXPECT_TRUE(far_->Read(into).value().closed);
}

TEST_F(ShmStreamTest, ShutdownEndsAWaitOfItsOwnSide) {
  std::thread waiter(
      [this] { EXPECT_TRUE(near_->Wait(Interest::kRead, NowNs() + kPatienceNs).value()); });
  near_->Shutdown();
  waiter.join();
}

// One sleeps for what may come while nobody reads, the other for what it has asked for.
TEST_F(ShmStreamTest, WhatWakesOneSleeperLeavesTheOtherNotDeaf) {
  ASSERT_TRUE(near_->BeginWait(Interest::kRead));  // the first goes to sleep
  const std::array<std::byte, 1> byte{std::byte{1}};
  WriteAll(*far_, byte);
  EXPECT_TRUE(near_->Wait(Interest::kRead, NowNs() + kPatienceNs).value());  // the second is woken
  std::vector<std::byte> into(10);
  EXPECT_EQ(near_->Read(into).value().bytes, 1u);
  pollfd first{.fd = near_->WaitFd(), .events = near_->WaitEvents(Interest::kRead), .revents = 0};
  EXPECT_EQ(poll(&first, 1, 0), 1);  // and the first as well, though nothing is left
  near_->EndWait(Interest::kRead);

  ASSERT_TRUE(near_->BeginWait(Interest::kRead));
  EXPECT_FALSE(near_->Wait(Interest::kRead, NowNs() + 1'000'000).value());  // comes and goes
  WriteAll(*far_, byte);
  EXPECT_EQ(poll(&first, 1, kPatienceNs / 1'000'000), 1);
  near_->EndWait(Interest::kRead);
}

TEST_F(ShmStreamTest, ManySleepersAllWakeUp) {
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 4; ++i) {
    sleepers.emplace_back(
        [this] { EXPECT_TRUE(near_->Wait(Interest::kRead, NowNs() + kPatienceNs).value()); });
  }
  const std::array<std::byte, 1> byte{std::byte{1}};
  WriteAll(*far_, byte);
  for (std::thread& sleeper : sleepers) {
    sleeper.join();
  }
}

// ---- what the other side may not do

// A side that plays by no rules: it has the memory and writes what it likes.
class LyingPartner : public ::testing::Test {
 protected:
  LyingPartner() {
    Sockets sockets = MakeSockets();
    memory_ = Fd(memfd_create("lies", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(ftruncate(memory_.get(), 2 * kRingBytes), 0);
    EXPECT_EQ(fcntl(memory_.get(), F_ADD_SEALS, kSeals), 0);
    void* mapped =
        mmap(nullptr, 2 * kRingBytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0);
    EXPECT_NE(mapped, MAP_FAILED);
    bytes_ = static_cast<std::byte*>(mapped);
    PassDescriptors(sockets.one.get(), memory_.get());
    life_ = std::move(sockets.one);
    honest_ = ShmStream::Accept(std::move(sockets.other), NowNs() + kPatienceNs).value();
  }

  ~LyingPartner() override { munmap(bytes_, 2 * kRingBytes); }

  static void PassDescriptors(int socket, int memory, int count = 1) {
    const int all[2] = {memory, memory};
    char byte = 0;
    iovec part{.iov_base = &byte, .iov_len = 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof all)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(static_cast<size_t>(count) * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(static_cast<size_t>(count) * sizeof(int));
    memcpy(CMSG_DATA(header), all, static_cast<size_t>(count) * sizeof(int));
    EXPECT_EQ(sendmsg(socket, &message, 0), 1);
  }

  // What becomes of memory of this size with these seals.
  static Status Offered(off_t bytes, int seals) {
    Sockets sockets = MakeSockets();
    const Fd memory(memfd_create("offered", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(ftruncate(memory.get(), bytes), 0);
    EXPECT_EQ(fcntl(memory.get(), F_ADD_SEALS, seals), 0);
    PassDescriptors(sockets.one.get(), memory.get());
    return ToStatus(ShmStream::Accept(std::move(sockets.other), NowNs() + kPatienceNs));
  }

  // The ring that the honest side reads, and the one that it writes.
  RingHeader& to_honest() { return *reinterpret_cast<RingHeader*>(bytes_); }

  RingHeader& from_honest() { return *reinterpret_cast<RingHeader*>(bytes_ + kRingBytes); }

  Fd memory_;
  Fd life_;
  std::byte* bytes_ = nullptr;
  std::unique_ptr<ShmStream> honest_;
};

TEST_F(LyingPartner, MoreWrittenThanFitsIsNotRead) {
  std::vector<std::byte> into(4 * kRingDataBytes);
  for (const uint64_t lie : {kRingDataBytes + 1, UINT64_MAX, UINT64_MAX / 2, uint64_t{1} << 40}) {
    to_honest().written = lie;
    const Result<Transfer> read = honest_->Read(into);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code(), StatusCode::kCorrupt);
  }
}

TEST_F(LyingPartner, AnIndexThatGoesBackIsNotBelieved) {
  std::vector<std::byte> into(100);
  to_honest().written = 100;
  EXPECT_EQ(honest_->Read(into).value().bytes, 100u);
  to_honest().written = 99;
  EXPECT_FALSE(honest_->Read(into).ok());
}

TEST_F(LyingPartner, MoreTakenThanWasWrittenIsNotBelieved) {
  const std::vector<std::byte> bytes(kRingDataBytes);
  const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  ASSERT_EQ(honest_->Write(std::span(&part, 1)).value(), kRingDataBytes);
  for (const uint64_t lie : {kRingDataBytes + 1, UINT64_MAX, uint64_t{1} << 63}) {
    from_honest().taken = lie;
    const Result<size_t> written = honest_->Write(std::span(&part, 1));
    ASSERT_FALSE(written.ok());
    EXPECT_EQ(written.error().code(), StatusCode::kCorrupt);
  }
}

// As long as there is room by what it knows, the honest side does not look.
TEST_F(LyingPartner, ALieAboutRoomThatIsThereAnywayChangesNothing) {
  const std::vector<std::byte> bytes(50);
  const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
  from_honest().taken = UINT64_MAX;
  EXPECT_EQ(honest_->Write(std::span(&part, 1)).value(), 50u);
  EXPECT_EQ(from_honest().written, 50u);
}

TEST_F(LyingPartner, OwnIndicesAreNotReadBackFromSharedMemory) {
  std::vector<std::byte> into(100);
  to_honest().written = 100;
  EXPECT_EQ(honest_->Read(into).value().bytes, 100u);
  to_honest().taken = UINT64_MAX - 5;  // the honest side's own; it knows better
  EXPECT_EQ(honest_->Read(into).value().bytes, 0u);
  from_honest().written = 12345;
  const iovec part{.iov_base = into.data(), .iov_len = into.size()};
  EXPECT_EQ(honest_->Write(std::span(&part, 1)).value(), 100u);
  EXPECT_EQ(from_honest().written, 100u);
}

// Between the check of an index and its use it changes all the time.
TEST_F(LyingPartner, AnIndexThatChangesUnderTheCheckIsUsedAsItWasChecked) {
  std::atomic<bool> stop{false};
  std::thread liar([&] {
    while (!stop) {
      to_honest().written = kRingDataBytes;
      to_honest().written = UINT64_MAX;
    }
  });
  std::vector<std::byte> into(kRingDataBytes + 64, std::byte{7});
  const auto guard = std::vector<std::byte>(64, std::byte{7});
  bool over = false;
  for (int i = 0; i < 100'000 && !over; ++i) {
    const Result<Transfer> read = honest_->Read(Bytes(into).first(kRingDataBytes));
    over = read.ok() && read->bytes != 0;
    EXPECT_TRUE(!read.ok() || read->bytes <= kRingDataBytes);
  }
  stop = true;
  liar.join();
  EXPECT_TRUE(std::equal(guard.begin(), guard.end(), into.end() - 64));
}

TEST_F(LyingPartner, MemoryOfTheRightKindIsTaken) {
  EXPECT_TRUE(Offered(kMemoryBytes, kSeals).ok());
}

TEST_F(LyingPartner, MemoryThatCanShrinkIsRefused) {
  EXPECT_EQ(Offered(kMemoryBytes, F_SEAL_GROW).code(), StatusCode::kCorrupt);
}

TEST_F(LyingPartner, MemoryThatCanGrowIsRefused) {
  EXPECT_EQ(Offered(kMemoryBytes, F_SEAL_SHRINK).code(), StatusCode::kCorrupt);
}

TEST_F(LyingPartner, MemoryOfAnotherSizeIsRefused) {
  EXPECT_EQ(Offered(kMemoryBytes / 2, kSeals).code(), StatusCode::kCorrupt);
  EXPECT_EQ(Offered(kMemoryBytes * 2, kSeals).code(), StatusCode::kCorrupt);
}

TEST_F(LyingPartner, MoreThanOneDescriptorIsRefused) {
#ifdef FARLANE_EMULATED
  GTEST_SKIP() << "qemu cuts what does not fit without the flag that the kernel sets then";
#endif
  Sockets sockets = MakeSockets();
  PassDescriptors(sockets.one.get(), memory_.get(), 2);
  EXPECT_FALSE(ShmStream::Accept(std::move(sockets.other), NowNs() + kPatienceNs).ok());
}

TEST_F(LyingPartner, AnEndWithoutMemoryIsNoticed) {
  Sockets sockets = MakeSockets();
  sockets.one.Reset();
  const auto nothing = ShmStream::Accept(std::move(sockets.other), NowNs() + kPatienceNs);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code(), StatusCode::kUnavailable);
}

TEST_F(LyingPartner, BytesWithoutDescriptorsAreRefused) {
  Sockets sockets = MakeSockets();
  ASSERT_EQ(send(sockets.one.get(), "x", 1, 0), 1);
  EXPECT_FALSE(ShmStream::Accept(std::move(sockets.other), NowNs() + kPatienceNs).ok());
}

TEST_F(LyingPartner, NothingAtAllIsWaitedForNoLongerThanAsked) {
  Sockets sockets = MakeSockets();
  const auto nothing = ShmStream::Accept(std::move(sockets.other), NowNs() + 1'000'000);
  ASSERT_FALSE(nothing.ok());
  EXPECT_EQ(nothing.error().code(), StatusCode::kTimeout);
}

}  // namespace
}  // namespace farlane::transport
