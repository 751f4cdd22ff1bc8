// SPDX-License-Identifier: Apache-2.0
// A client that breaks the protocol ends its own session, whatever it does.
#include <gtest/gtest.h>

#include "tests/support/session_fixture.h"

namespace farlane::server {
namespace {

using wire::WireError;

struct Raw {
  wire::BatchHeader batch;
  wire::MessageHeader message;
  uint64_t body = 0;
};

// A batch with one EventQuery, as right as can be.
Raw GoodBatch() {
  Raw raw;
  raw.batch = {.bytes = sizeof raw,
               .kind = wire::BatchKind::kMessages,
               .flags = 0,
               .count = 1,
               .first_sequence = 1,
               .executed = 0};
  raw.message = {.op = static_cast<uint16_t>(wire::Op::kEventQuery), .flags = 0, .bytes = 16};
  return raw;
}

static_assert(sizeof(Raw) == 40);

void ExpectBreach(const Raw& raw, WireError expected) {
  SessionFixture fixture;
  fixture.client().SendRaw(&raw, sizeof raw);
  EXPECT_EQ(fixture.WaitForEnd(), SessionEnd::kBreach);
  EXPECT_EQ(wire::WireErrorName(fixture.breach()), std::string(wire::WireErrorName(expected)));
}

TEST(Breach, TheGoodBatchIsNone) {
  SessionFixture fixture;
  const Raw raw = GoodBatch();
  fixture.client().SendRaw(&raw, sizeof raw);

  EXPECT_EQ(fixture.client().WaitForReply(1), CUDA_ERROR_INVALID_HANDLE);
}

TEST(Breach, ALengthBeyondTheLimit) {
  Raw raw = GoodBatch();
  raw.batch.bytes = wire::kBatchBytesMax + 8;
  ExpectBreach(raw, WireError::kTooLong);
  raw.batch.bytes = 0xffff'fff8;
  ExpectBreach(raw, WireError::kTooLong);
}

TEST(Breach, AMessageLongerThanItsBatch) {
  Raw raw = GoodBatch();
  raw.message.bytes = 1024;
  ExpectBreach(raw, WireError::kTruncated);
}

TEST(Breach, AMessageOfTheWrongLength) {
  Raw raw = GoodBatch();
  raw.message.op = static_cast<uint16_t>(wire::Op::kCopyIn);
  ExpectBreach(raw, WireError::kTruncated);
}

TEST(Breach, ASequenceNumberThatIsNotTheNextOne) {
  Raw raw = GoodBatch();
  raw.batch.first_sequence = 2;
  ExpectBreach(raw, WireError::kOutOfOrder);
  raw.batch.first_sequence = 0;
  ExpectBreach(raw, WireError::kOutOfOrder);
}

TEST(Breach, AnAcknowledgementOfWhatWasNeverSent) {
  Raw raw = GoodBatch();
  raw.batch.executed = 1000;
  ExpectBreach(raw, WireError::kOutOfOrder);
  raw.batch.executed = UINT64_MAX;
  ExpectBreach(raw, WireError::kOutOfOrder);
}

TEST(Breach, AMessageThatOnlyTheServerMaySend) {
  Raw raw = GoodBatch();
  raw.message.op = static_cast<uint16_t>(wire::Op::kCopyInDone);
  ExpectBreach(raw, WireError::kWrongSide);
}

TEST(Breach, AMessageThatThereIsNot) {
  Raw raw = GoodBatch();
  raw.message.op = 0x7fff;
  ExpectBreach(raw, WireError::kUnknown);
}

TEST(Breach, ARecordIsNoMessage) {
  Raw raw = GoodBatch();
  raw.message.op = static_cast<uint16_t>(wire::Op::kKernelRecord);
  ExpectBreach(raw, WireError::kUnknown);
}

TEST(Breach, ABatchOfAnUnknownKind) {
  Raw raw = GoodBatch();
  raw.batch.kind = static_cast<wire::BatchKind>(9);
  ExpectBreach(raw, WireError::kBadHeader);
}

TEST(Session, EndsInGoodOrderAfterGoodbye) {
  SessionFixture fixture;
  fixture.client().writer().AppendBye();
  fixture.client().Flush();

  EXPECT_EQ(fixture.WaitForEnd(), SessionEnd::kBye);
}

TEST(Session, EndsWhenTheClientIsGoneWithoutAWord) {
  SessionFixture fixture;
  shutdown(fixture.client().socket(), SHUT_WR);

  EXPECT_EQ(fixture.WaitForEnd(), SessionEnd::kGone);
}

}  // namespace
}  // namespace farlane::server
