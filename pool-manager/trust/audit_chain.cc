// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/audit_chain.h"

#include <google/protobuf/util/json_util.h>

#include "protocol/base/sha256.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

constexpr size_t kHeadDigits = 64;
// Longer than any that we write.
constexpr size_t kLineBytesMax = 64 << 10;

std::string HeadOf(std::string_view previous_head, std::string_view json) {
  std::string bytes(previous_head);
  bytes += json;
  return control::Hex(Sha256(std::as_bytes(std::span(bytes))));
}

Status Wrong(size_t line, const std::string& how) {
  return Status(StatusCode::kCorrupt, "line " + std::to_string(line) + " " + how);
}

}  // namespace

Result<AuditLine> MakeAuditLine(std::string_view previous_head, const v1::AuditRecord& record) {
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(record, &json).ok()) {
    return Status(StatusCode::kInternal, "a record of the audit log cannot be written as JSON");
  }
  AuditLine line{.text = {}, .head = HeadOf(previous_head, json)};
  line.text = line.head + " " + json + "\n";
  if (line.text.size() > kLineBytesMax) {
    return Status(StatusCode::kInvalidArgument, "a record of the audit log would be too long");
  }
  return line;
}

Result<AuditSegment> ReadAuditSegment(std::string_view text) {
  AuditSegment segment;
  std::string previous(kAuditStart);
  for (size_t start = 0; start < text.size();) {
    const size_t number = segment.records.size() + 1;
    const size_t end = text.find('\n', start);
    if (end == std::string_view::npos) {
      segment.torn_bytes = text.size() - start;
      return segment;
    }
    const std::string_view line = text.substr(start, end - start);
    if (line.size() <= kHeadDigits + 1 || line.size() > kLineBytesMax || line[kHeadDigits] != ' ') {
      return Wrong(number, "is no record");
    }
    const std::string_view json = line.substr(kHeadDigits + 1);
    if (HeadOf(previous, json) != line.substr(0, kHeadDigits)) {
      return Wrong(number, "is not what was written behind the line before it");
    }
    v1::AuditRecord record;
    if (!google::protobuf::util::JsonStringToMessage(std::string(json), &record).ok()) {
      return Wrong(number, "is no record");
    }
    const bool first = segment.records.empty();
    if (record.seq() != segment.records.size() || first != (record.kind() == "segment") ||
        (!first && record.epoch() != segment.records.front().epoch())) {
      return Wrong(number, "does not belong here");
    }
    segment.records.push_back(std::move(record));
    previous = std::string(line.substr(0, kHeadDigits));
    segment.heads.push_back(previous);
    start = end + 1;
  }
  return segment;
}

}  // namespace farlane::pool
