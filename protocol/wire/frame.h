// SPDX-License-Identifier: Apache-2.0
// What travels on a command stream: batches, each a header and a number of messages, each a header
// and a body. Everything is little endian and 8-byte aligned. Both sides number their messages from
// 1, without gaps, and every batch says how far the other side's messages have been executed.
//
// A batch (24 bytes and its messages):
//   u32 bytes | u8 kind | u8 flags | u16 count | u64 first_sequence | u64 executed | messages
//
// A message (8 bytes and its body):
//   u16 op | u16 flags | u32 bytes | body
#pragma once

#include <cstdint>
#include <cstring>

#include "protocol/base/bytes.h"
#include "protocol/wire/wire_error.h"

namespace farlane::wire {

// A side's own count of the messages it has sent; 0 stands for "none".
using Sequence = uint64_t;

enum class BatchKind : uint8_t {
  kMessages = 1,  // with count 0: only acknowledges
  kBye = 2,       // the sender ends the conversation in good order and sends nothing more
};

struct BatchHeader {
  uint32_t bytes = 0;  // of the whole batch with this header
  BatchKind kind = BatchKind::kMessages;
  uint8_t flags = 0;
  uint16_t count = 0;
  Sequence first_sequence = 0;  // of the first message; of the next one when there is none
  Sequence executed = 0;        // the receiver's messages up to this one are done with
};

static_assert(sizeof(BatchHeader) == 24);

struct MessageHeader {
  uint16_t op = 0;
  uint16_t flags = 0;  // none has a meaning yet, so any other value is refused
  uint32_t bytes = 0;  // of the whole message with this header, a multiple of 8
};

static_assert(sizeof(MessageHeader) == 8);

inline constexpr size_t kMessageAlign = 8;
// Above this a single message goes in pieces, so that no peer can make the other hold much for one
// length field.
inline constexpr size_t kMessageBytesMax = 1_MiB;
// A batch is one message of that size and its header, or many small ones.
inline constexpr size_t kBatchBytesMax = kMessageBytesMax + sizeof(BatchHeader);
// Copied data travels in pieces of this size: large enough that headers cost nothing, small enough
// that a command behind a piece waits for less than a millisecond on a slow link.
inline constexpr size_t kPieceBytes = 256_KiB;

// One message in a received batch. `body` is borrowed from the receive buffer until the next read.
struct MessageView {
  uint16_t op = 0;
  uint16_t flags = 0;
  Sequence sequence = 0;
  ConstBytes body;
};

// Checks a header that has been copied out of the receive buffer, before anything of the batch is
// used.
WireError CheckBatch(const BatchHeader& header);

// Takes the first message off `rest`, which is what remains of a batch.
WireError TakeMessage(ConstBytes* rest, MessageView* message);

}  // namespace farlane::wire
