// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/audit_chain.h"

#include <gtest/gtest.h>

namespace farlane::pool {
namespace {

std::vector<std::string> SomeLines(size_t count) {
  std::vector<std::string> lines;
  std::string head(kAuditStart);
  for (size_t i = 0; i < count; ++i) {
    v1::AuditRecord record;
    record.set_seq(i);
    record.set_epoch(7);
    record.set_time_ms(1'700'000'000'000 + static_cast<int64_t>(i));
    record.set_kind(i == 0 ? "segment" : "asked");
    record.set_actor(i == 0 ? "" : "ann");
    record.set_verb(i == 0 ? "" : "session.create");
    record.set_detail("a line feed \n and a quote \"");
    const AuditLine line = MakeAuditLine(head, record).value();
    head = line.head;
    lines.push_back(line.text);
  }
  return lines;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line;
  }
  return text;
}

TEST(AuditChain, WhatWasWrittenIsRead) {
  const AuditSegment segment = ReadAuditSegment(Joined(SomeLines(4))).value();
  ASSERT_EQ(segment.records.size(), 4u);
  EXPECT_EQ(segment.records[3].actor(), "ann");
  EXPECT_EQ(segment.heads[3], SomeLines(4)[3].substr(0, 64));
  EXPECT_EQ(segment.torn_bytes, 0u);
  EXPECT_TRUE(ReadAuditSegment("").value().records.empty());
}

TEST(AuditChain, AFlippedBitIsFoundWhereverItIs) {
  const std::string text = Joined(SomeLines(4));
  const AuditSegment whole = ReadAuditSegment(text).value();
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    const Result<AuditSegment> read = ReadAuditSegment(changed);
    // The last line feed: what is behind the one before counts as not written, and the head is not
    // the one that the store knows.
    const bool found =
        !read.ok() || read.value().heads.empty() || read.value().heads.back() != whole.heads.back();
    EXPECT_TRUE(found) << "bit " << bit;
    EXPECT_TRUE(!read.ok() || bit / 8 == text.size() - 1) << "bit " << bit;
  }
}

TEST(AuditChain, ADeletedLineIsFound) {
  for (size_t i = 0; i + 1 < 5; ++i) {
    std::vector<std::string> lines = SomeLines(5);
    lines.erase(lines.begin() + static_cast<ptrdiff_t>(i));
    const Result<AuditSegment> read = ReadAuditSegment(Joined(lines));
    ASSERT_FALSE(read.ok()) << "line " << i;
    EXPECT_NE(read.error().message().find("line " + std::to_string(i + 1)), std::string::npos);
  }
}

TEST(AuditChain, TwoLinesThatChangedPlacesAreFound) {
  for (size_t i = 0; i < 5; ++i) {
    for (size_t k = 0; k < i; ++k) {
      std::vector<std::string> lines = SomeLines(5);
      std::swap(lines[i], lines[k]);
      EXPECT_FALSE(ReadAuditSegment(Joined(lines)).ok()) << i << " and " << k;
    }
  }
}

TEST(AuditChain, ALineTwiceIsFound) {
  std::vector<std::string> lines = SomeLines(3);
  lines.push_back(lines.back());
  EXPECT_FALSE(ReadAuditSegment(Joined(lines)).ok());
}

TEST(AuditChain, ALineOfAnotherSegmentIsFoundThoughItsHashFits) {
  std::vector<std::string> lines = SomeLines(2);
  v1::AuditRecord record;
  record.set_seq(2);
  record.set_epoch(8);
  record.set_kind("asked");
  lines.push_back(MakeAuditLine(lines[1].substr(0, 64), record).value().text);
  EXPECT_FALSE(ReadAuditSegment(Joined(lines)).ok());
}

TEST(AuditChain, WhatIsBehindTheLastLineFeedWasNotWritten) {
  const std::string text = Joined(SomeLines(2));
  const AuditSegment read = ReadAuditSegment(text.substr(0, text.size() - 1)).value();
  EXPECT_EQ(read.records.size(), 1u);
  EXPECT_EQ(read.torn_bytes, SomeLines(2)[1].size() - 1);
}

}  // namespace
}  // namespace farlane::pool
