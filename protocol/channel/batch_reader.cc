// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/batch_reader.h"

#include <algorithm>
#include <cstring>

namespace farlane::channel {
namespace {

// One batch of the largest size while the next one arrives.
constexpr size_t kBufferBytes = 2 * wire::kBatchBytesMax;

// What is read at once, of small batches. Of one that lacks more than this only that is read, and
// the next one's header: so large data is nowhere moved, and it always comes to the same place,
// which the processor's cache still has.
constexpr size_t kReadBytes = 64_KiB;

}  // namespace

BatchReader::BatchReader(transport::Stream& stream, wire::Side peer)
    : stream_(stream), peer_(peer), buffer_(new std::byte[kBufferBytes]) {}

Result<BatchReader::Look> BatchReader::Fill() {
  if (bye_) {
    return Look::kBye;
  }
  if (left_ == 0) {
    // Between batches what remains is less than one batch, so it moves to the front for little.
    if (begin_ != 0) {
      memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
  }
  if (end_ == kBufferBytes) {
    return Look::kBytes;  // full of messages that the owner has not taken yet
  }
  const size_t wanted = std::max(kReadBytes, MissingBytes() + sizeof(wire::BatchHeader));
  const size_t room = std::min(kBufferBytes - end_, wanted);
  FARLANE_ASSIGN(const transport::Transfer got, stream_.Read(Bytes(buffer_.get() + end_, room)));
  if (got.closed) {
    return Look::kClosed;
  }
  end_ += got.bytes;
  read_bytes_ += got.bytes;
  return got.bytes == 0 ? Look::kNothing : Look::kBytes;
}

// Of the batch that has begun, as it says itself: nothing but the size of a read comes of it.
size_t BatchReader::MissingBytes() const {
  wire::BatchHeader header;
  if (end_ - begin_ < sizeof header) {
    return 0;
  }
  memcpy(&header, buffer_.get() + begin_, sizeof header);
  const size_t has = end_ - begin_;
  return header.bytes > has ? header.bytes - has : 0;
}

wire::WireError BatchReader::OpenBatch(bool* found) {
  *found = false;
  if (end_ - begin_ < sizeof(wire::BatchHeader)) {
    return wire::WireError::kNone;
  }
  wire::BatchHeader header;
  memcpy(&header, buffer_.get() + begin_, sizeof header);
  FARLANE_WIRE_TRY(wire::CheckBatch(header));
  if (end_ - begin_ < header.bytes) {
    return wire::WireError::kNone;
  }
  if (header.first_sequence != next_sequence_ || header.executed < executed_by_peer_) {
    return wire::WireError::kOutOfOrder;
  }
  heard_heartbeat_ |= header.count == 0 && header.executed == executed_by_peer_;
  executed_by_peer_ = header.executed;
  bye_ = header.kind == wire::BatchKind::kBye;
  left_ = header.count;
  rest_ = ConstBytes(buffer_.get() + begin_ + sizeof header, header.bytes - sizeof header);
  begin_ += header.bytes;
  *found = true;
  return wire::WireError::kNone;
}

wire::WireError BatchReader::Next(wire::MessageView* message, bool* found) {
  *found = false;
  while (left_ == 0) {
    if (!rest_.empty()) {
      return wire::WireError::kTrailing;
    }
    bool opened = false;
    if (bye_) {
      return wire::WireError::kNone;
    }
    FARLANE_WIRE_TRY(OpenBatch(&opened));
    if (!opened) {
      return wire::WireError::kNone;
    }
  }
  FARLANE_WIRE_TRY(wire::TakeMessage(&rest_, message));
  if (!wire::MaySend(peer_, message->op)) {
    return wire::MaySend(peer_ == wire::Side::kClient ? wire::Side::kServer : wire::Side::kClient,
                         message->op)
               ? wire::WireError::kWrongSide
               : wire::WireError::kUnknown;
  }
  --left_;
  message->sequence = next_sequence_++;
  *found = true;
  return wire::WireError::kNone;
}

}  // namespace farlane::channel
