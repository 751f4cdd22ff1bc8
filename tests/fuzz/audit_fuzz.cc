// SPDX-License-Identifier: Apache-2.0
// Audit logs that somebody has written: read as they are, or, if the first byte is odd, with hashes
// put before what stands in the lines, so that what is behind them is reached. What was written by
// us is read as it was written, and one flipped bit is found.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "pool-manager/trust/audit_chain.h"
#include "protocol/base/sha256.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

std::string Chained(const std::string& input) {
  std::string text;
  std::string head(kAuditStart);
  for (size_t start = 0; start < input.size();) {
    const size_t end = std::min(input.find('\n', start), input.size());
    const std::string json = input.substr(start, end - start);
    const std::string bytes = head + json;
    head = control::Hex(Sha256(std::as_bytes(std::span(bytes))));
    text += head + " " + json + (end < input.size() ? "\n" : "");
    start = end + 1;
  }
  return text;
}

void WriteAndRead(const std::string& input) {
  std::string text;
  std::string head(kAuditStart);
  for (size_t i = 0; i < 3; ++i) {
    v1::AuditRecord record;
    record.set_seq(i);
    record.set_kind(i == 0 ? "segment" : "asked");
    // What is not a text cannot stand in a record: Routes puts a question mark for it.
    std::string shown = input;
    for (char& letter : shown) {
      letter = letter < ' ' || letter > '~' ? '?' : letter;
    }
    record.set_detail(shown);
    const Result<AuditLine> line = MakeAuditLine(head, record);
    if (!line.ok()) {
      return;  // too long
    }
    head = line.value().head;
    text += line.value().text;
  }
  const Result<AuditSegment> read = ReadAuditSegment(text);
  if (!read.ok() || read.value().records.size() != 3 || read.value().heads.back() != head) {
    abort();
  }
  const size_t bit = input.size() * 31 % (8 * (text.size() - 1));
  text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  if (ReadAuditSegment(text).ok()) {
    abort();
  }
}

int Try(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string input(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto read = ReadAuditSegment(data[0] % 2 == 0 ? input : Chained(input));
  if (read.ok() && read.value().records.size() != read.value().heads.size()) {
    abort();
  }
  WriteAndRead(input);
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::Try(data, size);
}
