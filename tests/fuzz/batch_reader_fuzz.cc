// SPDX-License-Identifier: Apache-2.0
// Streams of a hostile peer, cut anywhere: every message that is given out lies in one batch and is
// numbered without a gap, and where the stream is cut makes no difference.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "protocol/channel/batch_reader.h"
#include "tests/support/memory_stream.h"

namespace farlane::channel {
namespace {

struct Outcome {
  wire::WireError error = wire::WireError::kNone;
  wire::Sequence messages = 0;
  uint64_t body_bytes = 0;

  bool operator==(const Outcome&) const = default;
};

Outcome ReadAll(ConstBytes bytes, size_t read_each, wire::Side peer) {
  testing::MemoryStream stream;
  stream.unread.assign(bytes.begin(), bytes.end());
  stream.read_each = read_each;
  BatchReader reader(stream, peer);
  Outcome outcome;
  while (outcome.error == wire::WireError::kNone &&
         reader.Fill().value() == BatchReader::Look::kBytes) {
    bool found = true;
    while (found) {
      wire::MessageView message;
      outcome.error = reader.Next(&message, &found);
      if (outcome.error != wire::WireError::kNone) {
        break;
      }
      if (found && (message.sequence != ++outcome.messages || !wire::MaySend(peer, message.op) ||
                    message.body.size() > wire::kMessageBytesMax)) {
        abort();
      }
      for (const std::byte byte : found ? message.body : ConstBytes()) {
        outcome.body_bytes += 1 + static_cast<uint64_t>(byte);  // every byte can be read
      }
    }
  }
  return outcome;
}

}  // namespace
}  // namespace farlane::channel

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace channel = farlane::channel;
  namespace wire = farlane::wire;
  if (size < 2) {
    return 0;
  }
  const wire::Side peer = data[0] % 2 == 0 ? wire::Side::kClient : wire::Side::kServer;
  const size_t read_each = 1 + data[1];
  const auto bytes = std::as_bytes(std::span(data + 2, size - 2));
  const auto whole = channel::ReadAll(bytes, farlane::testing::MemoryStream::kNoLimit, peer);
  if (channel::ReadAll(bytes, read_each, peer) != whole) {
    abort();
  }
  return 0;
}
