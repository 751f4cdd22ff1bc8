// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/tls_stream.h"

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

#include "protocol/base/clock.h"
#include "tests/support/tls_pair.h"

namespace farlane::transport {
namespace {

using farlane::testing::MakeTlsPair;
using farlane::testing::NearState;
using farlane::testing::Opposite;
using farlane::testing::SocketEnds;
using farlane::testing::TcpEnds;
using farlane::testing::TlsPair;

constexpr uint64_t kPatienceNs = 20'000'000'000;

std::vector<std::byte> Pattern(size_t size) {
  std::vector<std::byte> bytes(size);
  uint32_t number = 1;
  for (std::byte& byte : bytes) {
    number = number * 1664525 + 1013904223;
    byte = static_cast<std::byte>(number >> 24);
  }
  return bytes;
}

// All of it, as a writer does that offers what was not taken again.
Status WriteAll(Stream& stream, ConstBytes bytes) {
  while (!bytes.empty()) {
    const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    FARLANE_ASSIGN(const size_t taken, stream.Write(std::span(&part, 1)));
    bytes = bytes.subspan(taken);
    if (taken == 0) {
      FARLANE_TRY(stream.Wait(Interest::kWrite, NowNs() + kPatienceNs));
    }
  }
  return Status::Ok();
}

// So many bytes, in pieces of no more than `room`.
Result<std::vector<std::byte>> ReadAll(Stream& stream, size_t size, size_t room = 1_MiB) {
  std::vector<std::byte> bytes;
  std::vector<std::byte> piece(room);
  while (bytes.size() < size) {
    FARLANE_ASSIGN(const Transfer got, stream.Read(piece));
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(got.bytes));
    if (got.closed) {
      return Status(StatusCode::kUnavailable, "closed");
    }
    if (got.bytes == 0) {
      FARLANE_ASSIGN(const bool ready, stream.Wait(Interest::kRead, NowNs() + kPatienceNs));
      if (!ready) {
        return Status(StatusCode::kTimeout, "nothing comes");
      }
    }
  }
  return bytes;
}

TEST(TlsStream, CarriesBytesOfEverySizeBothWays) {
  TlsPair pair = MakeTlsPair();
  for (const size_t size :
       {1u, 16u, 255u, 16'383u, 16'384u, 16'385u, 100'000u, 262'144u, 300'001u}) {
    const std::vector<std::byte> sent = Pattern(size);
    ASSERT_TRUE(WriteAll(*pair.near, sent).ok());
    EXPECT_EQ(ReadAll(*pair.far, size).value(), sent) << size;
    ASSERT_TRUE(WriteAll(*pair.far, sent).ok());
    EXPECT_EQ(ReadAll(*pair.near, size).value(), sent) << size;
  }
}

TEST(TlsStream, NothingOfThePlainBytesIsOnTheWire) {
  SocketEnds ends = TcpEnds();
  const auto near = TlsStream::Create(std::move(ends.near), NearState()).value();
  const std::string text(200, 'a');
  ASSERT_TRUE(WriteAll(*near, std::as_bytes(std::span(text))).ok());
  std::string wire(512, '\0');
  wire.resize(static_cast<size_t>(recv(ends.far.get(), wire.data(), wire.size(), 0)));

  EXPECT_EQ(wire.size(), kRecordHeaderBytes + text.size() + kRecordTailBytes);
  EXPECT_EQ(wire.find("aaaa"), std::string::npos);
}

TEST(TlsStream, PartsBecomeOneRunInTheirOrder) {
  TlsPair pair = MakeTlsPair();
  const std::vector<std::byte> bytes = Pattern(50'000);
  std::vector<iovec> parts;
  for (size_t at = 0; at < bytes.size();) {
    const size_t size = std::min<size_t>(at % 7001, bytes.size() - at);
    parts.push_back({.iov_base = const_cast<std::byte*>(bytes.data() + at), .iov_len = size});
    at += std::max<size_t>(size, 1);
    if (size == 0) {
      parts.back().iov_len = 1;
    }
  }
  EXPECT_EQ(pair.near->Write(parts).value(), bytes.size());
  EXPECT_EQ(ReadAll(*pair.far, bytes.size()).value(), bytes);
}

TEST(TlsStream, AFullSocketTakesNothingAndLosesNothing) {
  TlsPair pair = MakeTlsPair();
  const std::vector<std::byte> sent = Pattern(32_MiB);
  size_t taken = 0;
  for (size_t round = 1; round != 0;) {
    const iovec rest{.iov_base = const_cast<std::byte*>(sent.data() + taken),
                     .iov_len = sent.size() - taken};
    round = pair.near->Write(std::span(&rest, 1)).value();
    taken += round;
  }
  ASSERT_LT(taken, sent.size());
  EXPECT_FALSE(pair.near->IsBetweenRecords());
  Result<std::vector<std::byte>> got = Status(StatusCode::kInternal, "not read");
  std::thread reader([&] { got = ReadAll(*pair.far, sent.size()); });
  EXPECT_TRUE(WriteAll(*pair.near, ConstBytes(sent).subspan(taken)).ok());
  reader.join();

  EXPECT_TRUE(got.ok() && *got == sent);
  EXPECT_TRUE(pair.near->IsBetweenRecords());
}

TEST(TlsStream, SmallRoomsGetTheRestOfARecordWithoutTheSocket) {
  TlsPair pair = MakeTlsPair();
  const std::vector<std::byte> sent = Pattern(5000);
  ASSERT_TRUE(WriteAll(*pair.near, sent).ok());
  std::vector<std::byte> got = ReadAll(*pair.far, 7, 7).value();
  // The socket is empty: who polled it would sleep.
  EXPECT_FALSE(pair.far->BeginWait(Interest::kRead));
  EXPECT_TRUE(pair.far->BeginWait(Interest::kWrite));
  EXPECT_TRUE(pair.far->Wait(Interest::kRead, 0).value());
  const std::vector<std::byte> rest = ReadAll(*pair.far, sent.size() - 7, 100).value();
  got.insert(got.end(), rest.begin(), rest.end());

  EXPECT_EQ(got, sent);
  EXPECT_TRUE(pair.far->BeginWait(Interest::kRead));
}

TEST(TlsStream, WhatDoesNotFitStaysInTheSocketSoThatItIsSeen) {
  TlsPair pair = MakeTlsPair();
  ASSERT_TRUE(WriteAll(*pair.near, Pattern(20'000)).ok());
  ASSERT_TRUE(WriteAll(*pair.near, Pattern(20'000)).ok());
  std::vector<std::byte> room(20'500);
  ASSERT_TRUE(pair.far->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  const size_t first = pair.far->Read(room)->bytes;
  ASSERT_GT(first, 0u);
  ASSERT_LT(first, 40'000u);
  pollfd polled{.fd = pair.far->WaitFd(), .events = POLLIN, .revents = 0};

  EXPECT_EQ(poll(&polled, 1, 10'000), 1);
  EXPECT_TRUE(ReadAll(*pair.far, 40'000 - first).ok());
}

TEST(TlsStream, TheEndIsSeenAfterEverythingThatCameBefore) {
  TlsPair pair = MakeTlsPair();
  const std::vector<std::byte> sent = Pattern(100'000);
  ASSERT_TRUE(WriteAll(*pair.near, sent).ok());
  pair.near->Shutdown();

  EXPECT_EQ(ReadAll(*pair.far, sent.size()).value(), sent);
  std::vector<std::byte> room(10);
  ASSERT_TRUE(pair.far->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  EXPECT_TRUE(pair.far->Read(room)->closed);
}

TEST(TlsStream, KeysChangeBeforeTheyAreUsedTooOften) {
  TlsPair pair = MakeTlsPair(40);
  const TlsState before = pair.near->state();
  for (int i = 0; i < 200; ++i) {
    const std::vector<std::byte> sent = Pattern(static_cast<size_t>(100 + 300 * i));
    ASSERT_TRUE(WriteAll(*pair.near, sent).ok());
    ASSERT_EQ(ReadAll(*pair.far, sent.size()).value(), sent);
    EXPECT_LE(pair.near->state().write_records, 40u);
  }
  const TlsState after = pair.near->state();

  EXPECT_NE(memcmp(before.write_secret, after.write_secret, sizeof after.write_secret), 0);
  EXPECT_EQ(memcmp(before.read_secret, after.read_secret, sizeof after.read_secret), 0);
}

TEST(TlsStream, GoesOnElsewhereFromItsState) {
  SocketEnds ends = TcpEnds();
  const auto near = TlsStream::Create(std::move(ends.near), NearState()).value();
  const Fd copy(dup(ends.far.get()));
  auto far = TlsStream::Create(std::move(ends.far), Opposite(NearState())).value();
  ASSERT_TRUE(WriteAll(*near, Pattern(70'000)).ok());
  ASSERT_TRUE(ReadAll(*far, 70'000).ok());
  ASSERT_TRUE(WriteAll(*far, Pattern(10)).ok());
  ASSERT_TRUE(far->IsBetweenRecords());
  const TlsState state = far->state();
  far.reset();

  const auto heir = TlsStream::Create(Fd(dup(copy.get())), state).value();
  ASSERT_TRUE(WriteAll(*near, Pattern(300)).ok());
  EXPECT_EQ(ReadAll(*heir, 300).value(), Pattern(300));
  ASSERT_TRUE(WriteAll(*heir, Pattern(20)).ok());
  EXPECT_TRUE(ReadAll(*near, 30).ok());
}

// ---- what a hostile peer, or somebody between, can send

// One sealed record as it goes over the wire.
std::vector<uint8_t> SealedRecord(const std::string& text, ContentType type, uint64_t number = 0) {
  auto protection = RecordProtection::Create(NearState().write_secret, number).value();
  std::vector<uint8_t> record(kRecordHeaderBytes + text.size() + kRecordTailBytes);
  auto* const bytes = reinterpret_cast<std::byte*>(record.data());
  EXPECT_TRUE(protection.BeginSeal(text.size(), bytes));
  EXPECT_TRUE(protection.SealPart(std::as_bytes(std::span(text))));
  EXPECT_TRUE(protection.EndSeal(type));
  return record;
}

// What the far end makes of bytes that arrive.
Result<Transfer> ReadOf(const std::vector<uint8_t>& wire) {
  SocketEnds ends = TcpEnds();
  const auto far = TlsStream::Create(std::move(ends.far), Opposite(NearState())).value();
  EXPECT_EQ(send(ends.near.get(), wire.data(), wire.size(), 0), static_cast<ssize_t>(wire.size()));
  EXPECT_TRUE(far->Wait(Interest::kRead, NowNs() + kPatienceNs).value());
  std::vector<std::byte> room(64_KiB);
  Transfer all;
  for (size_t read = 0; read < wire.size(); ++read) {
    FARLANE_ASSIGN(const Transfer got, far->Read(room));
    all.bytes += got.bytes;
    all.closed = all.closed || got.closed;
    if (got.bytes == 0) {
      break;
    }
  }
  return all;
}

TEST(TlsStream, ARecordIsTakenOnlyAsItWasWritten) {
  const std::vector<uint8_t> honest = SealedRecord("forty-two", ContentType::kData);
  EXPECT_EQ(ReadOf(honest)->bytes, 9u);
  for (size_t i = 0; i < honest.size(); ++i) {
    if (i == 3 || i == 4) {
      continue;  // another length waits for more, or is no record at all: below
    }
    std::vector<uint8_t> changed = honest;
    changed[i] ^= 1;
    const Result<Transfer> got = ReadOf(changed);
    EXPECT_FALSE(got.ok()) << "byte " << i;
    EXPECT_TRUE(got.ok() || got.error().code() == StatusCode::kCorrupt);
  }
}

TEST(TlsStream, ARecordCannotComeTwiceOrOutOfTurn) {
  const std::vector<uint8_t> first = SealedRecord("a", ContentType::kData, 0);
  const std::vector<uint8_t> second = SealedRecord("b", ContentType::kData, 1);
  const auto joined = [](std::vector<uint8_t> one, const std::vector<uint8_t>& other) {
    one.insert(one.end(), other.begin(), other.end());
    return one;
  };
  EXPECT_EQ(ReadOf(joined(first, second))->bytes, 2u);
  EXPECT_FALSE(ReadOf(joined(first, first)).ok());
  EXPECT_FALSE(ReadOf(second).ok());
}

TEST(TlsStream, LengthsThatCannotBeEndTheConnection) {
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{16}, kRecordBodyMax + 1, size_t{0xffff}}) {
    std::vector<uint8_t> record = {23, 3, 3, static_cast<uint8_t>(length >> 8),
                                   static_cast<uint8_t>(length)};
    record.resize(record.size() + std::min<size_t>(length, 100));
    EXPECT_FALSE(ReadOf(record).ok()) << length;
  }
}

TEST(TlsStream, WhatIsNotProtectedIsNotRead) {
  for (const uint8_t type : {20, 21, 22, 24, 0, 70}) {
    EXPECT_FALSE(ReadOf({type, 3, 3, 0, 2, 1, 0}).ok()) << int{type};
  }
}

TEST(TlsStream, AlertsAreSaidInWords) {
  const Result<Transfer> refused =
      ReadOf(SealedRecord(std::string("\x02\x74", 2), ContentType::kAlert));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), StatusCode::kRefused);
  EXPECT_NE(refused.error().message().find("certificate of ours"), std::string::npos);

  const Result<Transfer> farewell =
      ReadOf(SealedRecord(std::string("\x01\x00", 2), ContentType::kAlert));
  ASSERT_TRUE(farewell.ok());
  EXPECT_TRUE(farewell->closed);
}

TEST(TlsStream, HandshakesAfterTheHandshakeAreRefusedButForKeys) {
  for (const char* const message :
       {"\x04\x00\x00\x01\x00", "\x18\x00\x00\x01\x02", "\x18\x00\x00\x02\x00"}) {
    EXPECT_FALSE(ReadOf(SealedRecord(std::string(message, 5), ContentType::kHandshake)).ok());
  }
  EXPECT_FALSE(ReadOf(SealedRecord(std::string("\x18", 1), ContentType::kHandshake)).ok());
  EXPECT_FALSE(ReadOf(SealedRecord("", ContentType::kHandshake)).ok());
  EXPECT_TRUE(
      ReadOf(SealedRecord(std::string("\x18\x00\x00\x01\x00", 5), ContentType::kHandshake)).ok());
}

}  // namespace
}  // namespace farlane::transport
