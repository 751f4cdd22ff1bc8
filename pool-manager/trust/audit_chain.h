// SPDX-License-Identifier: Apache-2.0
// The audit chain: each line of a segment carries the SHA-256 of the line before it and of itself,
// so that nothing in it can be changed, left out or moved without a trace.
//
// A line is 64 hexadecimal digits, a space, a record as JSON, and a line feed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// What a first line stands on: nothing.
inline constexpr std::string_view kAuditStart =
    "0000000000000000000000000000000000000000000000000000000000000000";

struct AuditLine {
  std::string text;  // with its line feed
  std::string head;
};

Result<AuditLine> MakeAuditLine(std::string_view previous_head, const v1::AuditRecord& record);

struct AuditSegment {
  std::vector<v1::AuditRecord> records;
  std::vector<std::string> heads;  // after each of them
  // Behind the last line feed. A manager that dies while it writes leaves some; nobody was told
  // that it was written.
  size_t torn_bytes = 0;
};

// A segment's text, proved line by line; a sentence: which line is wrong, and how.
Result<AuditSegment> ReadAuditSegment(std::string_view text);

}  // namespace farlane::pool
