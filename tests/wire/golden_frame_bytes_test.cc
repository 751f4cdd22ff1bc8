// SPDX-License-Identifier: Apache-2.0
// Batches and hellos, byte by byte.
#include <cstddef>

#include "protocol/channel/batch_reader.h"
#include "protocol/channel/batch_writer.h"
#include "protocol/wire/hello.h"
#include "tests/support/memory_stream.h"
#include "tests/wire/golden_bytes.h"

namespace farlane::wire {
namespace {

using channel::BatchReader;
using channel::BatchWriter;
using farlane::testing::MemoryStream;

// What a reader of a client's stream makes of the bytes.
struct Heard {
  explicit Heard(std::string_view hex) {
    stream.unread = FromHex(hex);
    EXPECT_EQ(reader.Fill().value(), BatchReader::Look::kBytes);
    MessageView message;
    bool found = true;
    while (found && error == WireError::kNone) {
      error = reader.Next(&message, &found);
      if (found) {
        ops.push_back(static_cast<Op>(message.op));
      }
    }
  }

  MemoryStream stream;
  BatchReader reader{stream, Side::kClient};
  WireError error = WireError::kNone;
  std::vector<Op> ops;
};

TEST(GoldenFrameBytes, BatchOfTwoMessages) {
  constexpr std::string_view kBatch =
      "40000000 01 00 0200"  // bytes, kind, flags, count
      "01000000 00000000"    // first_sequence
      "05000000 00000000"    // executed
      "3200 0000 10000000"   // SetContext
      "01000000 010000 01"   //
      "1400 0000 18000000"   // EventRecord
      "07000000 020000 03"   //
      "00000000 00000000";   //
  MemoryStream stream;
  BatchWriter writer(stream);
  EXPECT_EQ(writer.Append(SetContext{.context = MakeHandle(HandleKind::kContext, 1, 1)}), 1u);
  EXPECT_EQ(writer.Append(EventRecord{.hEvent = MakeHandle(HandleKind::kEvent, 7, 2)}), 2u);
  writer.Acknowledge(5);
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(ToHex(stream.written), ToHex(FromHex(kBatch)));

  const Heard heard(kBatch);
  EXPECT_EQ(heard.error, WireError::kNone);
  EXPECT_EQ(heard.ops, (std::vector<Op>{Op::kSetContext, Op::kEventRecord}));
  EXPECT_EQ(heard.reader.last_sequence(), 2u);
  EXPECT_EQ(heard.reader.executed_by_peer(), 5u);
}

TEST(GoldenFrameBytes, EmptyBatchAcknowledges) {
  constexpr std::string_view kBatch =
      "18000000 01 00 0000"  // bytes, kind, flags, count
      "01000000 00000000"    // first_sequence: of the next message
      "efcdab89 67452301";   // executed
  MemoryStream stream;
  BatchWriter writer(stream);
  writer.Acknowledge(0x0123456789abcdef);
  writer.AppendAcknowledgement();
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(ToHex(stream.written), ToHex(FromHex(kBatch)));

  const Heard heard(kBatch);
  EXPECT_EQ(heard.error, WireError::kNone);
  EXPECT_TRUE(heard.ops.empty());
  EXPECT_EQ(heard.reader.executed_by_peer(), 0x0123456789abcdefu);
}

TEST(GoldenFrameBytes, ByeAfterAMessage) {
  constexpr std::string_view kBatches =
      "28000000 01 00 0100"  // bytes, kind, flags, count
      "01000000 00000000"    // first_sequence
      "00000000 00000000"    // executed
      "3200 0000 10000000"   // SetContext
      "00000000 00000000"    //
      "18000000 02 00 0000"  // bytes, kind: bye, flags, count
      "02000000 00000000"    // first_sequence
      "00000000 00000000";   // executed
  MemoryStream stream;
  BatchWriter writer(stream);
  writer.Append(SetContext{});
  writer.AppendBye();
  EXPECT_TRUE(writer.Flush().value());
  EXPECT_EQ(ToHex(stream.written), ToHex(FromHex(kBatches)));

  Heard heard(kBatches);
  EXPECT_EQ(heard.error, WireError::kNone);
  EXPECT_EQ(heard.ops, std::vector<Op>{Op::kSetContext});
  EXPECT_EQ(heard.reader.Fill().value(), BatchReader::Look::kBye);
}

TEST(GoldenFrameBytes, ClientHello) {
  EXPECT_EQ(sizeof(ClientHello), 512u);
  EXPECT_EQ(offsetof(ClientHello, magic), 0u);
  EXPECT_EQ(offsetof(ClientHello, version), 8u);
  EXPECT_EQ(offsetof(ClientHello, purpose), 12u);
  EXPECT_EQ(offsetof(ClientHello, wire_hash), 16u);
  EXPECT_EQ(offsetof(ClientHello, session), 24u);
  EXPECT_EQ(offsetof(ClientHello, session_key), 40u);
  EXPECT_EQ(offsetof(ClientHello, process), 72u);
  EXPECT_EQ(offsetof(ClientHello, offers), 76u);
  EXPECT_EQ(offsetof(ClientHello, host), 80u);
  EXPECT_EQ(offsetof(ClientHello, program), 144u);
  EXPECT_EQ(offsetof(ClientHello, token), 192u);
  EXPECT_EQ(offsetof(ClientHello, net_limit), 472u);
  EXPECT_EQ(offsetof(ClientHello, slice), 480u);
  EXPECT_EQ(offsetof(SliceRequest, memory_bytes), 0u);
  EXPECT_EQ(offsetof(SliceRequest, share), 8u);
  EXPECT_EQ(offsetof(SliceRequest, share_limit), 12u);
  EXPECT_EQ(offsetof(SliceRequest, priority), 16u);
}

TEST(GoldenFrameBytes, ServerHello) {
  EXPECT_EQ(sizeof(ServerHello), 256u);
  EXPECT_EQ(offsetof(ServerHello, magic), 0u);
  EXPECT_EQ(offsetof(ServerHello, version), 8u);
  EXPECT_EQ(offsetof(ServerHello, verdict), 12u);
  EXPECT_EQ(offsetof(ServerHello, wire_hash), 16u);
  EXPECT_EQ(offsetof(ServerHello, boot), 24u);
  EXPECT_EQ(offsetof(ServerHello, worker), 40u);
  EXPECT_EQ(offsetof(ServerHello, way), 44u);
  EXPECT_EQ(offsetof(ServerHello, meeting), 48u);
  EXPECT_EQ(offsetof(ServerHello, proof), 56u);
  EXPECT_EQ(offsetof(ServerHello, reason), 72u);
}

TEST(GoldenFrameBytes, StartOfAHello) {
  ClientHello hello{};
  memcpy(hello.magic, kHelloMagic, sizeof hello.magic);
  hello.version = kProtocolVersion;
  hello.purpose = Purpose::kProbe;
  hello.wire_hash = 0x0123456789abcdef;
  hello.session[0] = 0xee;
  EXPECT_EQ(ToHex(std::as_bytes(std::span(&hello, 1)).first(32)),
            ToHex(FromHex("4641524c 414e450a"      // magic: FARLANE and a line feed
                          "01000000 02000000"      // version, purpose
                          "efcdab89 67452301"      // wire_hash
                          "ee000000 00000000")));  // session
}

}  // namespace
}  // namespace farlane::wire
