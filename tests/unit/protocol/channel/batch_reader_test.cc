// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/batch_reader.h"

#include <cstring>
#include <initializer_list>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/channel/batch_writer.h"
#include "tests/support/memory_stream.h"

namespace farlane::channel {
namespace {

using farlane::testing::MemoryStream;
using Look = BatchReader::Look;
using wire::BatchHeader;
using wire::MessageHeader;
using wire::Op;
using wire::WireError;

// Bytes of a client that may be wrong in any way.
// Thread: caller's.
class Script {
 public:
  Script& Batch(const BatchHeader& header) { return Add(&header, sizeof header); }

  // A message without a body.
  Script& Message(Op op, uint32_t bytes = sizeof(MessageHeader), uint16_t flags = 0) {
    const MessageHeader header{.op = static_cast<uint16_t>(op), .flags = flags, .bytes = bytes};
    return Add(&header, sizeof header);
  }

  Script& Zeros(size_t bytes) {
    bytes_.resize(bytes_.size() + bytes);
    return *this;
  }

  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  Script& Add(const void* from, size_t bytes) {
    const auto* start = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), start, start + bytes);
    return *this;
  }

  std::vector<std::byte> bytes_;
};

BatchHeader Header(uint16_t count, uint64_t first, uint64_t executed = 0) {
  return {.bytes = static_cast<uint32_t>(sizeof(BatchHeader) + count * sizeof(MessageHeader)),
          .count = count,
          .first_sequence = first,
          .executed = executed};
}

// Takes everything that is there; the first error, or none.
WireError TakeAll(BatchReader& reader, std::vector<wire::MessageView>* taken = nullptr) {
  wire::MessageView view;
  bool found = true;
  while (true) {
    const WireError error = reader.Next(&view, &found);
    if (error != WireError::kNone || !found) {
      return error;
    }
    if (taken != nullptr) {
      taken->push_back(view);
    }
  }
}

WireError ErrorOf(const Script& script) {
  MemoryStream stream;
  stream.unread = script.bytes();
  BatchReader reader(stream, wire::Side::kClient);
  EXPECT_EQ(reader.Fill().value(), Look::kBytes);
  return TakeAll(reader);
}

std::vector<std::byte> ThreeBatches() {
  MemoryStream stream;
  BatchWriter writer(stream);
  const std::byte data[13] = {std::byte{1}, std::byte{2}, std::byte{3}};
  writer.Append(wire::SetContext{.context = 5});
  writer.Append(wire::CopyIn{.address = 6, .data = data});
  EXPECT_TRUE(writer.Flush().value());
  writer.Acknowledge(3);
  writer.AppendAcknowledgement();
  EXPECT_TRUE(writer.Flush().value());
  writer.Append(wire::Launch{.function = 7, .parameters = data});
  EXPECT_TRUE(writer.Flush().value());
  return stream.written;
}

void ExpectThreeBatches(const std::vector<Op>& ops, const BatchReader& reader) {
  EXPECT_EQ(ops, (std::vector<Op>{Op::kSetContext, Op::kCopyIn, Op::kLaunch}));
  EXPECT_EQ(reader.last_sequence(), 3u);
  EXPECT_EQ(reader.executed_by_peer(), 3u);
}

TEST(BatchReader, DoesNotCareWhereTheStreamIsCut) {
  const std::vector<std::byte> whole = ThreeBatches();
  for (size_t cut = 0; cut <= whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    MemoryStream stream;
    BatchReader reader(stream, wire::Side::kClient);
    std::vector<Op> ops;
    for (const size_t end : {cut, whole.size()}) {
      stream.unread.assign(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(end));
      EXPECT_TRUE(reader.Fill().ok());
      std::vector<wire::MessageView> taken;
      EXPECT_EQ(TakeAll(reader, &taken), WireError::kNone);
      for (const wire::MessageView& view : taken) {
        ops.push_back(static_cast<Op>(view.op));
      }
    }
    ExpectThreeBatches(ops, reader);
  }
}

TEST(BatchReader, ReadsAStreamThatComesByteByByte) {
  MemoryStream stream;
  stream.unread = ThreeBatches();
  stream.read_each = 1;
  BatchReader reader(stream, wire::Side::kClient);
  std::vector<Op> ops;
  while (reader.Fill().value() == Look::kBytes) {
    std::vector<wire::MessageView> taken;
    EXPECT_EQ(TakeAll(reader, &taken), WireError::kNone);
    for (const wire::MessageView& view : taken) {
      ops.push_back(static_cast<Op>(view.op));
    }
  }
  ExpectThreeBatches(ops, reader);
  EXPECT_EQ(reader.read_bytes(), stream.unread.size());
}

TEST(BatchReader, GivesNoMessageOfABatchThatIsNotThere) {
  MemoryStream stream;
  stream.unread = Script().Batch(Header(2, 1)).Message(Op::kSetContext).bytes();
  BatchReader reader(stream, wire::Side::kClient);
  EXPECT_EQ(reader.Fill().value(), Look::kBytes);
  std::vector<wire::MessageView> taken;
  EXPECT_EQ(TakeAll(reader, &taken), WireError::kNone);
  EXPECT_TRUE(taken.empty());
  stream.closed = true;
  EXPECT_EQ(reader.Fill().value(), Look::kClosed);
}

TEST(BatchReader, TakesTheLargestMessageAndNoLargerOne) {
  const auto with = [](uint32_t message_bytes) {
    BatchHeader header = Header(1, 1);
    header.bytes = static_cast<uint32_t>(sizeof header) + message_bytes;
    return Script().Batch(header).Message(Op::kCopyIn, message_bytes).Zeros(message_bytes - 8);
  };
  EXPECT_EQ(ErrorOf(with(wire::kMessageBytesMax)), WireError::kNone);
  EXPECT_EQ(ErrorOf(with(wire::kMessageBytesMax + 8)), WireError::kTooLong);
}

TEST(BatchReader, RefusesALengthBeforeTheBytesHaveCome) {
  BatchHeader header = Header(1, 1);
  header.bytes = 0xfffffff8;
  EXPECT_EQ(ErrorOf(Script().Batch(header)), WireError::kTooLong);
}

TEST(BatchReader, RefusesHeadersThatContradictThemselves) {
  const auto changed = [](auto change) {
    BatchHeader header = Header(1, 1);
    change(header);
    return ErrorOf(Script().Batch(header).Message(Op::kSetContext).Zeros(64));
  };
  EXPECT_EQ(changed([](BatchHeader&) {}), WireError::kBadHeader) << "the zeros that follow";
  EXPECT_EQ(changed([](BatchHeader& h) { h.kind = static_cast<wire::BatchKind>(0); }),
            WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.kind = static_cast<wire::BatchKind>(3); }),
            WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.flags = 1; }), WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.bytes = 0; }), WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.bytes = 16; }), WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.bytes += 4; }), WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.count = 0; }), WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.count = 2; }), WireError::kBadHeader);
  EXPECT_EQ(changed([](BatchHeader& h) { h.bytes = sizeof h; }), WireError::kBadHeader);
}

TEST(BatchReader, RefusesMessagesThatDoNotFitTheirBatch) {
  const auto with = [](uint32_t bytes, uint16_t flags = 0) {
    return ErrorOf(Script()
                       .Batch(Header(2, 1))
                       .Message(Op::kSetContext, bytes, flags)
                       .Message(Op::kSetContext));
  };
  EXPECT_EQ(with(8), WireError::kNone);
  EXPECT_EQ(with(16), WireError::kTruncated) << "nothing is left for the second";
  EXPECT_EQ(with(24), WireError::kTruncated);
  EXPECT_EQ(with(0xfffffff8), WireError::kTruncated);
  EXPECT_EQ(with(0), WireError::kBadHeader);
  EXPECT_EQ(with(12), WireError::kBadHeader);
  EXPECT_EQ(with(8, 1), WireError::kBadHeader);
}

TEST(BatchReader, RefusesBytesAfterTheLastMessage) {
  BatchHeader header = Header(1, 1);
  header.bytes += 8;
  EXPECT_EQ(ErrorOf(Script().Batch(header).Message(Op::kSetContext).Zeros(8)),
            WireError::kTrailing);
}

TEST(BatchReader, RefusesMessagesThatThePeerMayNotSend) {
  EXPECT_EQ(ErrorOf(Script().Batch(Header(1, 1)).Message(Op::kReply)), WireError::kWrongSide);
  EXPECT_EQ(ErrorOf(Script().Batch(Header(1, 1)).Message(Op::kKernelRecord)), WireError::kUnknown);
  EXPECT_EQ(ErrorOf(Script().Batch(Header(1, 1)).Message(static_cast<Op>(0))), WireError::kUnknown);
  EXPECT_EQ(ErrorOf(Script().Batch(Header(1, 1)).Message(static_cast<Op>(0xffff))),
            WireError::kUnknown);
}

TEST(BatchReader, AServerMaySendWhatAClientMayNot) {
  MemoryStream stream;
  stream.unread = Script().Batch(Header(2, 1)).Message(Op::kReply).Message(Op::kLaunch).bytes();
  BatchReader reader(stream, wire::Side::kServer);
  EXPECT_EQ(reader.Fill().value(), Look::kBytes);
  std::vector<wire::MessageView> taken;
  EXPECT_EQ(TakeAll(reader, &taken), WireError::kWrongSide);
  EXPECT_EQ(taken.size(), 1u);
}

TEST(BatchReader, RefusesNumbersThatAreNotTheNext) {
  for (const uint64_t first : {uint64_t{0}, uint64_t{2}, UINT64_MAX}) {
    EXPECT_EQ(ErrorOf(Script().Batch(Header(1, first)).Message(Op::kSetContext)),
              WireError::kOutOfOrder);
  }
  for (const uint64_t second : {1, 3}) {
    EXPECT_EQ(ErrorOf(Script()
                          .Batch(Header(1, 1))
                          .Message(Op::kSetContext)
                          .Batch(Header(1, second))
                          .Message(Op::kSetContext)),
              WireError::kOutOfOrder);
  }
}

TEST(BatchReader, RefusesAnAcknowledgementThatGoesBack) {
  EXPECT_EQ(ErrorOf(Script().Batch(Header(0, 1, 5)).Batch(Header(0, 1, 5))), WireError::kNone);
  EXPECT_EQ(ErrorOf(Script().Batch(Header(0, 1, 5)).Batch(Header(0, 1, 4))),
            WireError::kOutOfOrder);
}

TEST(BatchReader, NothingCountsAfterBye) {
  BatchHeader bye = Header(0, 1);
  bye.kind = wire::BatchKind::kBye;
  MemoryStream stream;
  stream.unread = Script().Batch(bye).Zeros(100).bytes();
  BatchReader reader(stream, wire::Side::kClient);

  EXPECT_EQ(reader.Fill().value(), Look::kBytes);
  EXPECT_EQ(TakeAll(reader), WireError::kNone);

  EXPECT_EQ(reader.Fill().value(), Look::kBye);
  EXPECT_EQ(TakeAll(reader), WireError::kNone);
  stream.closed = true;
  EXPECT_EQ(reader.Fill().value(), Look::kBye) << "the end was in good order";
}

TEST(BatchReader, ByeWithOutOfOrderNumberIsRefused) {
  BatchHeader bye = Header(0, 2);
  bye.kind = wire::BatchKind::kBye;
  EXPECT_EQ(ErrorOf(Script().Batch(bye)), WireError::kOutOfOrder);
}

TEST(BatchReader, LosesNothingWhenItsOwnerIsSlow) {
  constexpr size_t kMessages = 400'000;  // several times its buffer
  MemoryStream stream;
  BatchWriter writer(stream);
  for (size_t i = 0; i < kMessages; ++i) {
    writer.Append(wire::SetContext{.context = i});
  }
  EXPECT_TRUE(writer.Flush().value());
  stream.unread = std::move(stream.written);
  BatchReader reader(stream, wire::Side::kClient);
  size_t taken = 0;
  while (taken < kMessages) {
    // Reads far more often than it takes, so the buffer is full most of the time.
    ASSERT_TRUE(reader.Fill().ok());
    for (int i = 0; i < 1000; ++i) {
      wire::MessageView view;
      bool found = false;
      ASSERT_EQ(reader.Next(&view, &found), WireError::kNone);
      if (!found) {
        break;
      }
      wire::SetContext message;
      ASSERT_EQ(Decode(view.body, &message), WireError::kNone);
      ASSERT_EQ(message.context, taken++);
    }
  }
  EXPECT_EQ(reader.Fill().value(), Look::kNothing);
}

// What is read at once depends on what a batch says of its length.
TEST(BatchReader, ReadsLargeDataAmongSmallMessages) {
  MemoryStream stream;
  BatchWriter writer(stream);
  const std::vector<std::byte> data(wire::kPieceBytes, std::byte{5});
  std::vector<size_t> sizes;
  for (size_t i = 0; i < 300; ++i) {
    sizes.push_back(i % 7 == 0 ? data.size() - i : i % 3 * 1000);
    writer.Append(wire::CopyIn{.data = ConstBytes(data).first(sizes.back())});
    if (i % 5 == 0) {
      EXPECT_TRUE(writer.Flush().value());
    }
  }
  EXPECT_TRUE(writer.Flush().value());
  for (const size_t each : {1000ul, 65'536ul, MemoryStream::kNoLimit}) {
    SCOPED_TRACE(each);
    MemoryStream back;
    back.unread = stream.written;
    back.read_each = each;
    BatchReader reader(back, wire::Side::kClient);
    std::vector<size_t> found;
    while (reader.Fill().value() == Look::kBytes) {
      std::vector<wire::MessageView> taken;
      ASSERT_EQ(TakeAll(reader, &taken), WireError::kNone);
      for (const wire::MessageView& view : taken) {
        wire::CopyIn copy;
        ASSERT_EQ(Decode(view.body, &copy), WireError::kNone);
        found.push_back(copy.data.size());
      }
    }
    EXPECT_EQ(found, sizes);
  }
}

}  // namespace
}  // namespace farlane::channel
