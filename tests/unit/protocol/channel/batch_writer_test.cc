// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/batch_writer.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/channel/batch_reader.h"
#include "tests/support/memory_stream.h"

namespace farlane::channel {
namespace {

using farlane::testing::MemoryStream;

std::vector<wire::BatchHeader> Batches(const std::vector<std::byte>& written) {
  std::vector<wire::BatchHeader> found;
  for (size_t at = 0; at < written.size();) {
    wire::BatchHeader header;
    EXPECT_LE(at + sizeof header, written.size());
    memcpy(&header, written.data() + at, sizeof header);
    EXPECT_EQ(wire::CheckBatch(header), wire::WireError::kNone);
    at += header.bytes;
    EXPECT_LE(at, written.size());
    found.push_back(header);
  }
  return found;
}

// The sizes of the data of all CopyIn messages, checked to be filled as AppendCopy does.
std::vector<size_t> ReadCopies(const std::vector<std::byte>& written) {
  MemoryStream stream;
  stream.unread = written;
  BatchReader reader(stream, wire::Side::kClient);
  std::vector<size_t> sizes;
  while (reader.Fill().value() == BatchReader::Look::kBytes && stream.read_at <= written.size()) {
    wire::MessageView view;
    bool found = true;
    while (true) {
      EXPECT_EQ(reader.Next(&view, &found), wire::WireError::kNone);
      if (!found) {
        break;
      }
      wire::CopyIn copy;
      EXPECT_EQ(Decode(view.body, &copy), wire::WireError::kNone);
      EXPECT_EQ(copy.address, view.sequence);
      sizes.push_back(copy.data.size());
      EXPECT_TRUE(std::all_of(
          copy.data.begin(), copy.data.end(),
          [&copy](std::byte byte) { return byte == static_cast<std::byte>(copy.address); }))
          << "message " << copy.address << " is damaged";
    }
  }
  return sizes;
}

void AppendCopy(BatchWriter& writer, size_t bytes) {
  const wire::Sequence next = writer.last_sequence() + 1;
  const std::vector<std::byte> data(bytes, static_cast<std::byte>(next));
  EXPECT_EQ(writer.Append(wire::CopyIn{.address = next, .data = data}), next);
}

TEST(BatchWriter, NumbersMessagesFromOneAcrossBatches) {
  MemoryStream stream;
  BatchWriter writer(stream);

  EXPECT_EQ(writer.Append(wire::SetContext{}), 1u);
  EXPECT_EQ(writer.Append(wire::SetContext{}), 2u);
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(writer.Append(wire::SetContext{}), 3u);
  EXPECT_TRUE(writer.Flush().value());

  const auto batches = Batches(stream.written);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].first_sequence, 1u);
  EXPECT_EQ(batches[0].count, 2);
  EXPECT_EQ(batches[1].first_sequence, 3u);
  EXPECT_EQ(batches[1].count, 1);
  EXPECT_EQ(writer.writes_count(), 2u);
  EXPECT_EQ(writer.written_bytes(), stream.written.size());
}

TEST(BatchWriter, SendsNothingBeforeFlush) {
  MemoryStream stream;
  BatchWriter writer(stream);
  AppendCopy(writer, 100'000);
  EXPECT_TRUE(stream.written.empty());
  EXPECT_GT(writer.unsent_bytes(), 100'000u);
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(writer.unsent_bytes(), 0u);
}

TEST(BatchWriter, FlushOfNothingWritesNothing) {
  MemoryStream stream;
  BatchWriter writer(stream);
  EXPECT_TRUE(writer.Flush().value());
  writer.Acknowledge(7);
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_TRUE(stream.written.empty());
  EXPECT_EQ(writer.writes_count(), 0u);
}

TEST(BatchWriter, NoBatchHasMoreMessagesThanItsHeaderCounts) {
  constexpr size_t kMessages = 3 * 65535 + 1;
  MemoryStream stream;
  BatchWriter writer(stream);
  for (size_t i = 0; i < kMessages; ++i) {
    // Without a body, so that the count reaches its limit before the bytes do.
    std::byte* to = writer.Reserve(sizeof(wire::MessageHeader));
    const wire::MessageHeader header{.op = static_cast<uint16_t>(wire::Op::kSetContext),
                                     .bytes = sizeof(wire::MessageHeader)};
    memcpy(to, &header, sizeof header);
    writer.Commit(sizeof header);
  }
  EXPECT_TRUE(writer.Flush().value());

  const auto batches = Batches(stream.written);
  ASSERT_EQ(batches.size(), 4u);
  EXPECT_EQ(batches[0].count, 65535);
  EXPECT_EQ(batches[3].count, 1);
  EXPECT_EQ(batches[3].first_sequence, kMessages);
}

TEST(BatchWriter, NoBatchIsLongerThanTheLimit) {
  MemoryStream stream;
  BatchWriter writer(stream);
  for (int i = 0; i < 12; ++i) {
    AppendCopy(writer, wire::kPieceBytes);
  }
  EXPECT_TRUE(writer.Flush().value());

  EXPECT_EQ(Batches(stream.written).size(), 4u);  // three pieces and their headers fit into one
  EXPECT_EQ(ReadCopies(stream.written).size(), 12u);
}

TEST(BatchWriter, TheLargestMessageFillsABatch) {
  MemoryStream stream;
  BatchWriter writer(stream);
  const size_t overhead = EncodedBytes(wire::CopyIn{});
  AppendCopy(writer, 1);
  AppendCopy(writer, wire::kMessageBytesMax - overhead);
  AppendCopy(writer, 1);
  EXPECT_TRUE(writer.Flush().value());

  const auto batches = Batches(stream.written);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[1].bytes, wire::kBatchBytesMax);
  EXPECT_EQ(ReadCopies(stream.written),
            (std::vector<size_t>{1, wire::kMessageBytesMax - overhead, 1}));
}

TEST(BatchWriter, GoesOnWhereAFullStreamStopped) {
  MemoryStream stream;
  BatchWriter writer(stream);
  std::vector<size_t> sizes;
  stream.write_room = 0;
  for (size_t i = 1; i <= 200; ++i) {
    sizes.push_back(i * 7);
    AppendCopy(writer, i * 7);
    stream.write_room += 300;
    const bool done = writer.Flush().value();
    EXPECT_EQ(done, writer.unsent_bytes() == 0);
  }
  stream.write_room = MemoryStream::kNoLimit;
  EXPECT_TRUE(writer.Flush().value());

  EXPECT_EQ(ReadCopies(stream.written), sizes);
}

TEST(BatchWriter, SurvivesGrowingWithHalfABatchSent) {
  MemoryStream stream;
  BatchWriter writer(stream);
  AppendCopy(writer, 50'000);
  stream.write_room = 20'000;
  EXPECT_FALSE(writer.Flush().value());
  std::vector<size_t> sizes{50'000};
  for (size_t i = 0; i < 40; ++i) {
    sizes.push_back(200'001);
    AppendCopy(writer, 200'001);
  }
  stream.write_room = MemoryStream::kNoLimit;
  EXPECT_TRUE(writer.Flush().value());
  // The large buffer has been given back: the small one serves again.
  sizes.push_back(3);
  AppendCopy(writer, 3);
  EXPECT_TRUE(writer.Flush().value());

  EXPECT_EQ(ReadCopies(stream.written), sizes);
}

TEST(BatchWriter, AnAcknowledgementTravelsWithMessages) {
  MemoryStream stream;
  BatchWriter writer(stream);
  writer.Append(wire::SetContext{});
  writer.Acknowledge(9);
  writer.AppendAcknowledgement();
  EXPECT_TRUE(writer.Flush().value());

  const auto batches = Batches(stream.written);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].executed, 9u);
}

TEST(BatchWriter, AnAcknowledgementIsNotSaidTwice) {
  MemoryStream stream;
  BatchWriter writer(stream);
  for (int i = 0; i < 3; ++i) {
    writer.Acknowledge(9);
    writer.AppendAcknowledgement();
    EXPECT_TRUE(writer.Flush().value());
  }
  EXPECT_EQ(Batches(stream.written).size(), 1u);
}

TEST(BatchWriter, ByeComesAfterWhatIsUnsent) {
  MemoryStream stream;
  BatchWriter writer(stream);
  writer.Append(wire::SetContext{});
  writer.AppendBye();
  EXPECT_TRUE(writer.Flush().value());

  const auto batches = Batches(stream.written);
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].kind, wire::BatchKind::kMessages);
  EXPECT_EQ(batches[1].kind, wire::BatchKind::kBye);
  EXPECT_EQ(batches[1].first_sequence, 2u);
}

TEST(BatchWriter, RefusesWhatNoReaderWouldTake) {
  MemoryStream stream;
  BatchWriter writer(stream);
  const std::vector<std::byte> text(wire::kMessageBytesMax);
  const wire::Output longest{.data = ConstBytes(text).first(wire::kMessageBytesMax - 16)};
  ASSERT_EQ(EncodedBytes(longest), wire::kMessageBytesMax);

  EXPECT_EQ(writer.Append(wire::Output{.data = text}), 0u);
  EXPECT_EQ(writer.unsent_bytes(), 0u);
  EXPECT_EQ(writer.Append(longest), 1u);
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(stream.written.size(), wire::kBatchBytesMax);
}

TEST(BatchWriter, SaysThatTheStreamIsBroken) {
  MemoryStream stream;
  BatchWriter writer(stream);
  writer.Append(wire::SetContext{});
  stream.broken = true;
  EXPECT_FALSE(writer.Flush().ok());
}

TEST(BatchWriter, AnyMixOfSizesAndFullStreamsArrivesWhole) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto below = [&](size_t bound) { return random() % bound; };
    MemoryStream stream;
    stream.write_room = 0;
    stream.write_each = 1 + below(100'000);
    BatchWriter writer(stream);
    std::vector<size_t> sizes;
    for (int step = 0; step < 200; ++step) {
      sizes.push_back(below(20) == 0 ? below(500'000) : below(300));
      AppendCopy(writer, sizes.back());
      writer.Acknowledge(static_cast<wire::Sequence>(step));
      if (below(3) == 0) {
        stream.write_room = below(400'000);
        EXPECT_TRUE(writer.Flush().ok());
      }
    }
    stream.write_room = MemoryStream::kNoLimit;
    EXPECT_TRUE(writer.Flush().value());
    EXPECT_EQ(ReadCopies(stream.written), sizes);
  }
}

// Data that is lent, by its number as AppendCopy does.
std::vector<std::byte> Lend(BatchWriter& writer, size_t bytes) {
  const wire::Sequence next = writer.last_sequence() + 1;
  std::vector<std::byte> data(bytes, static_cast<std::byte>(next));
  EXPECT_EQ(writer.AppendLent(wire::CopyIn{.address = next, .data = data}), next);
  return data;
}

TEST(BatchWriter, LentDataLooksLikeAnyOther) {
  for (const size_t bytes : {1ul, 7ul, 8ul, 100'001ul, wire::kPieceBytes}) {
    SCOPED_TRACE(bytes);
    MemoryStream lending;
    MemoryStream copying;
    BatchWriter lender(lending);
    BatchWriter copier(copying);
    AppendCopy(lender, 24);
    AppendCopy(copier, 24);
    const std::vector<std::byte> data = Lend(lender, bytes);
    AppendCopy(copier, bytes);
    AppendCopy(lender, 24);
    AppendCopy(copier, 24);
    EXPECT_TRUE(lender.Flush().value());
    EXPECT_TRUE(copier.Flush().value());
    EXPECT_EQ(lending.written, copying.written);
  }
}

TEST(BatchWriter, WhatIsLentIsReadWhenItIsWritten) {
  MemoryStream stream;
  BatchWriter writer(stream);
  std::vector<std::byte> data(1000, std::byte{9});
  writer.AppendLent(wire::CopyIn{.address = 1, .data = data});
  std::fill(data.begin(), data.end(), std::byte{1});
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(ReadCopies(stream.written), (std::vector<size_t>{1000}));
}

TEST(BatchWriter, WhatIsKeptMayGoWhereverTheStreamStopped) {
  constexpr size_t kBytes = 203;
  for (size_t room = 0; room < kBytes + 200; ++room) {
    SCOPED_TRACE(room);
    MemoryStream stream;
    BatchWriter writer(stream);
    AppendCopy(writer, 24);
    std::vector<std::byte> data = Lend(writer, kBytes);
    stream.write_room = room;
    const bool done = writer.Flush().value();
    EXPECT_EQ(done, writer.unsent_bytes() == 0);
    writer.Keep();
    std::fill(data.begin(), data.end(), std::byte{0});
    AppendCopy(writer, 3);
    stream.write_room = MemoryStream::kNoLimit;
    EXPECT_TRUE(writer.Flush().value());
    ASSERT_EQ(ReadCopies(stream.written), (std::vector<size_t>{24, kBytes, 3}));
  }
}

// Its own buffer moves when it grows, and only one piece is lent at a time.
TEST(BatchWriter, LentDataSurvivesWhatComesAfterIt) {
  MemoryStream stream;
  BatchWriter writer(stream);
  stream.write_room = 100;
  std::vector<std::vector<std::byte>> lent;
  std::vector<size_t> sizes;
  for (size_t i = 0; i < 12; ++i) {
    sizes.push_back(wire::kPieceBytes - i);
    lent.push_back(Lend(writer, sizes.back()));
    sizes.push_back(100'000);
    AppendCopy(writer, 100'000);
    stream.write_room += 1000;
    EXPECT_FALSE(writer.Flush().value());
  }
  stream.write_room = MemoryStream::kNoLimit;
  stream.write_each = 77'777;
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(ReadCopies(stream.written), sizes);
}

TEST(BatchWriter, NothingIsLentThatIsTooLong) {
  MemoryStream stream;
  BatchWriter writer(stream);
  const std::vector<std::byte> data(wire::kMessageBytesMax);
  EXPECT_EQ(writer.AppendLent(wire::CopyIn{.data = data}), 0u);
  EXPECT_EQ(writer.unsent_bytes(), 0u);
}

}  // namespace
}  // namespace farlane::channel
