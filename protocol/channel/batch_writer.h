// SPDX-License-Identifier: Apache-2.0
// BatchWriter numbers messages, gathers them into batches and writes those to a Stream. Messages
// are encoded in place, and large data is written from where it lies: nothing is copied between the
// caller's arguments and the socket.
#pragma once

#include <cstring>
#include <limits>
#include <memory>

#include "protocol/base/bytes.h"
#include "protocol/base/result.h"
#include "protocol/transport/stream.h"
#include "protocol/wire/messages.h"

namespace farlane::channel {

// Thread: caller's; whoever shares one guards it.
class BatchWriter {
 public:
  explicit BatchWriter(transport::Stream& stream);

  // Adds a message and returns its number; 0, and nothing is added, for one that is longer than a
  // message may be. It is not sent before Flush. `unsent_bytes` grows without a bound here: the
  // owner decides when to flush and when to wait.
  template <typename Message>
  wire::Sequence Append(const Message& message) {
    const size_t bytes = EncodedBytes(message);
    if (bytes > wire::kMessageBytesMax) [[unlikely]] {
      return 0;
    }
    std::byte* to = Reserve(bytes);
    Encode(message, to);
    return Commit(bytes);
  }

  // As Append, for a message that ends with `data`, which is lent: Flush writes it from where it
  // lies. It must stay there until all is written, or until Keep.
  template <typename Message>
  wire::Sequence AppendLent(const Message& message) {
    const size_t bytes = EncodedBytes(message);
    if (bytes > wire::kMessageBytesMax) [[unlikely]] {
      return 0;
    }
    Keep();
    std::byte* const end = EncodeHead(message, Reserve(bytes));
    lent_ = message.data;
    lent_at_ = static_cast<size_t>(end - buffer_.get());
    const size_t padded = RoundUp(lent_.size(), wire::kMessageAlign);
    memset(end + lent_.size(), 0, padded - lent_.size());
    return Commit(bytes);
  }

  // Takes what has been lent and is not written: its owner may go.
  void Keep();

  // Room for one whole message of so many bytes, no more than a message may have; valid until the
  // next call of anything here.
  std::byte* Reserve(size_t bytes) {
    const bool fits = open_ && end_ - batch_ + bytes <= wire::kBatchBytesMax &&
                      count_ != std::numeric_limits<uint16_t>::max() && end_ + bytes <= capacity_;
    return fits ? buffer_.get() + end_ : ReserveAnew(bytes);
  }

  wire::Sequence Commit(size_t bytes) {
    end_ += bytes;
    ++count_;
    return ++last_sequence_;
  }

  // The next batch says that the peer's messages up to this one are executed.
  void Acknowledge(wire::Sequence executed) { executed_ = executed; }

  // Adds a batch without messages if nothing unsent would carry the acknowledgement otherwise.
  void AppendAcknowledgement();
  // A batch that says nothing but that this side is there, for when there is nothing unsent.
  void AppendHeartbeat();
  // Ends the conversation: nothing may be appended after it.
  void AppendBye();

  // Writes what the stream takes without waiting; true when nothing is left.
  Result<bool> Flush();

  size_t unsent_bytes() const { return end_ - sent_; }

  wire::Sequence last_sequence() const { return last_sequence_; }

  // How often the stream was written to.
  uint64_t writes_count() const { return writes_count_; }

  uint64_t written_bytes() const { return written_bytes_; }

 private:
  std::byte* ReserveAnew(size_t bytes);
  void OpenBatch();
  void SealBatch();
  void MakeRoom(size_t bytes);
  Result<size_t> WriteRest();

  transport::Stream& stream_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t capacity_ = 0;
  size_t sent_ = 0;   // everything before is on its way
  size_t end_ = 0;    // everything before is written, sealed or in the open batch
  size_t batch_ = 0;  // where the open batch starts, when open_
  bool open_ = false;
  // Stands for the bytes of the buffer from lent_at_ on; those are room that Keep would fill.
  ConstBytes lent_;
  size_t lent_at_ = 0;
  uint16_t count_ = 0;
  wire::Sequence last_sequence_ = 0;
  wire::Sequence executed_ = 0;
  wire::Sequence executed_sent_ = 0;
  uint64_t writes_count_ = 0;
  uint64_t written_bytes_ = 0;
};

}  // namespace farlane::channel
