// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/batch_writer.h"

#include <cstring>
#include <limits>

namespace farlane::channel {
namespace {

constexpr size_t kBufferBytes =
    64_KiB;  // holds a few full batches of small calls; grows for large messages
constexpr size_t kBufferBytesKept = 4_MiB;  // a larger buffer is given back once it has been sent

}  // namespace

BatchWriter::BatchWriter(transport::Stream& stream)
    : stream_(stream), buffer_(new std::byte[kBufferBytes]), capacity_(kBufferBytes) {}

void BatchWriter::MakeRoom(size_t bytes) {
  if (end_ + bytes <= capacity_) {
    return;
  }
  size_t capacity = capacity_;
  while (capacity < end_ - sent_ + bytes) {
    capacity *= 2;
  }
  std::unique_ptr<std::byte[]> grown(new std::byte[capacity]);
  memcpy(grown.get(), buffer_.get() + sent_, end_ - sent_);
  batch_ -= open_ ? sent_ : batch_;
  end_ -= sent_;
  sent_ = 0;
  buffer_ = std::move(grown);
  capacity_ = capacity;
}

void BatchWriter::OpenBatch() {
  MakeRoom(sizeof(wire::BatchHeader));
  batch_ = end_;
  end_ += sizeof(wire::BatchHeader);
  count_ = 0;
  open_ = true;
}

void BatchWriter::SealBatch() {
  const wire::BatchHeader header{.bytes = static_cast<uint32_t>(end_ - batch_),
                                 .kind = wire::BatchKind::kMessages,
                                 .flags = 0,
                                 .count = count_,
                                 .first_sequence = last_sequence_ - count_ + 1,
                                 .executed = executed_};
  memcpy(buffer_.get() + batch_, &header, sizeof header);
  executed_sent_ = executed_;
  open_ = false;
}

std::byte* BatchWriter::Reserve(size_t bytes) {
  if (open_ && (end_ - batch_ + bytes > wire::kBatchBytesMax ||
                count_ == std::numeric_limits<uint16_t>::max())) {
    SealBatch();
  }
  if (!open_) {
    OpenBatch();
  }
  MakeRoom(bytes);
  return buffer_.get() + end_;
}

wire::Sequence BatchWriter::Commit(size_t bytes) {
  end_ += bytes;
  ++count_;
  return ++last_sequence_;
}

void BatchWriter::AppendAcknowledgement() {
  if (executed_ != executed_sent_ && !open_) {
    OpenBatch();
  }
}

void BatchWriter::AppendHeartbeat() {
  if (open_) {
    SealBatch();
  }
  OpenBatch();
}

void BatchWriter::AppendBye() {
  if (open_) {
    SealBatch();
  }
  OpenBatch();
  SealBatch();
  const auto kind = wire::BatchKind::kBye;
  memcpy(buffer_.get() + batch_ + offsetof(wire::BatchHeader, kind), &kind, sizeof kind);
}

Result<bool> BatchWriter::Flush() {
  if (open_) {
    SealBatch();
  }
  while (sent_ < end_) {
    const iovec part{.iov_base = buffer_.get() + sent_, .iov_len = end_ - sent_};
    FARLANE_ASSIGN(const size_t written, stream_.Write(std::span(&part, 1)));
    if (written == 0) {
      return false;
    }
    ++writes_count_;
    written_bytes_ += written;
    sent_ += written;
  }
  sent_ = end_ = 0;
  if (capacity_ > kBufferBytesKept) {
    buffer_.reset(new std::byte[kBufferBytes]);
    capacity_ = kBufferBytes;
  }
  return true;
}

}  // namespace farlane::channel
