// SPDX-License-Identifier: Apache-2.0
// BatchReader turns the bytes of a Stream into messages. It checks everything that can be checked
// without knowing what a message means: lengths, sequence numbers, and that this side may be sent
// such a message at all.
#pragma once

#include <memory>

#include "protocol/base/result.h"
#include "protocol/transport/stream.h"
#include "protocol/wire/messages.h"

namespace farlane::channel {

// Thread: caller's; one at a time.
class BatchReader {
 public:
  // `peer` is the side at the other end.
  BatchReader(transport::Stream& stream, wire::Side peer);

  // What one look at the stream brought.
  enum class Look : uint8_t {
    kNothing,  // no bytes have arrived
    kBytes,    // some have; there may be messages now
    kBye,      // the peer ended the conversation in good order
    kClosed,   // the peer is gone without a word
  };

  // Reads once without waiting. Invalidates every view given out before.
  Result<Look> Fill();

  // The next complete message. `*found` is false when more bytes are needed first.
  wire::WireError Next(wire::MessageView* message, bool* found);

  // The peer has executed this side's messages up to here.
  wire::Sequence executed_by_peer() const { return executed_by_peer_; }

  // The number of the last message that Next gave out.
  wire::Sequence last_sequence() const { return next_sequence_ - 1; }

  uint64_t read_bytes() const { return read_bytes_; }

  // The peer has said that it is there when it had nothing to say: from now on its silence means
  // something.
  bool heard_heartbeat() const { return heard_heartbeat_; }

 private:
  size_t MissingBytes() const;
  wire::WireError OpenBatch(bool* found);

  transport::Stream& stream_;
  const wire::Side peer_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t begin_ = 0;  // first byte not yet given out
  size_t end_ = 0;
  ConstBytes rest_;    // of the batch that is being given out
  uint16_t left_ = 0;  // messages in rest_
  wire::Sequence next_sequence_ = 1;
  wire::Sequence executed_by_peer_ = 0;
  bool bye_ = false;
  bool heard_heartbeat_ = false;
  uint64_t read_bytes_ = 0;
};

}  // namespace farlane::channel
