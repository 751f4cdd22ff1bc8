// SPDX-License-Identifier: Apache-2.0
#include "protocol/wire/frame.h"

namespace farlane::wire {

WireError CheckBatch(const BatchHeader& header) {
  if (header.kind != BatchKind::kMessages && header.kind != BatchKind::kBye) {
    return WireError::kBadHeader;
  }
  if (header.bytes > kBatchBytesMax) {
    return WireError::kTooLong;
  }
  if (header.bytes < sizeof(BatchHeader) || header.bytes % kMessageAlign != 0 ||
      header.flags != 0) {
    return WireError::kBadHeader;
  }
  const size_t messages_bytes = header.bytes - sizeof(BatchHeader);
  if (messages_bytes < header.count * sizeof(MessageHeader) ||
      (header.count == 0) != (messages_bytes == 0)) {
    return WireError::kBadHeader;
  }
  return WireError::kNone;
}

WireError TakeMessage(ConstBytes* rest, MessageView* message) {
  if (rest->size() < sizeof(MessageHeader)) {
    return WireError::kTruncated;
  }
  MessageHeader header;
  memcpy(&header, rest->data(), sizeof header);
  if (header.bytes < sizeof header || header.bytes % kMessageAlign != 0 || header.flags != 0) {
    return WireError::kBadHeader;
  }
  if (header.bytes > rest->size()) {
    return WireError::kTruncated;
  }
  message->op = header.op;
  message->flags = header.flags;
  message->body = rest->subspan(sizeof header, header.bytes - sizeof header);
  *rest = rest->subspan(header.bytes);
  return WireError::kNone;
}

}  // namespace farlane::wire
