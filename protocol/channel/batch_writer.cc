// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/batch_writer.h"

#include <algorithm>

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
  Keep();
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

// Where the open batch, or the buffer, is at its end.
std::byte* BatchWriter::ReserveAnew(size_t bytes) {
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

void BatchWriter::Keep() {
  const size_t sent = sent_ > lent_at_ ? std::min(sent_ - lent_at_, lent_.size()) : 0;
  const ConstBytes rest = lent_.subspan(sent);
  if (!rest.empty()) {
    memcpy(buffer_.get() + lent_at_ + sent, rest.data(), rest.size());
  }
  lent_ = {};
}

Result<size_t> BatchWriter::WriteRest() {
  const size_t lent_end = lent_at_ + lent_.size();
  if (lent_.empty() || sent_ >= lent_end) {
    const iovec rest{.iov_base = buffer_.get() + sent_, .iov_len = end_ - sent_};
    return stream_.Write(std::span(&rest, 1));
  }
  const size_t before = sent_ < lent_at_ ? lent_at_ - sent_ : 0;
  const ConstBytes lent = lent_.subspan(sent_ + before - lent_at_);
  const iovec parts[] = {
      {.iov_base = buffer_.get() + sent_, .iov_len = before},
      {.iov_base = const_cast<std::byte*>(lent.data()), .iov_len = lent.size()},  // only read
      {.iov_base = buffer_.get() + lent_end, .iov_len = end_ - lent_end}};
  return stream_.Write(parts);
}

Result<bool> BatchWriter::Flush() {
  if (open_) {
    SealBatch();
  }
  while (sent_ < end_) {
    const Result<size_t> written = WriteRest();
    if (!written.ok() && written.error().code() == StatusCode::kInvalidArgument && !lent_.empty()) {
      // Memory that the system cannot read is the program's affair: it may handle such a fault, and
      // if it does not it ends where it would have ended without us.
      Keep();
      continue;
    }
    FARLANE_TRY(written);
    if (*written == 0) {
      return false;
    }
    ++writes_count_;
    written_bytes_ += *written;
    sent_ += *written;
  }
  sent_ = end_ = 0;
  lent_ = {};
  if (capacity_ > kBufferBytesKept) {
    buffer_.reset(new std::byte[kBufferBytes]);
    capacity_ = kBufferBytes;
  }
  return true;
}

}  // namespace farlane::channel
