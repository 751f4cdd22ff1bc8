// SPDX-License-Identifier: Apache-2.0
#include "protocol/tls/tls_stream.h"

#include <algorithm>
#include <cstring>

#include "protocol/tls/alerts.h"

namespace farlane::transport {
namespace {

// One call of the system for so many records: it costs as much as protecting one of them.
constexpr size_t kRecordsPerRun = 16;
constexpr size_t kRunBytes = kRecordsPerRun * kRecordBytesMax;

constexpr uint8_t kKeyUpdate[] = {24, 0, 0, 1, 0};  // "mine is new", without a question
constexpr std::byte kUpdateRequested{1};

size_t BytesOf(std::span<const iovec> parts) {
  size_t bytes = 0;
  for (const iovec& part : parts) {
    bytes += part.iov_len;
  }
  return bytes;
}

}  // namespace

TlsStream::TlsStream(Fd socket,
                     RecordProtection reading,
                     RecordProtection writing,
                     uint64_t per_key)
    : socket_(std::move(socket)),
      records_per_key_(per_key),
      writing_(std::move(writing)),
      sealed_(kRunBytes + 2 * kRecordBytesMax),
      reading_(std::move(reading)),
      arrived_(kRunBytes),
      opened_(kRecordBodyMax) {}

Result<std::unique_ptr<TlsStream>> TlsStream::Create(Fd socket,
                                                     const TlsState& state,
                                                     uint64_t records_per_key) {
  FARLANE_ASSIGN(RecordProtection reading,
                 RecordProtection::Create(state.read_secret, state.read_records));
  FARLANE_ASSIGN(RecordProtection writing,
                 RecordProtection::Create(state.write_secret, state.write_records));
  return std::unique_ptr<TlsStream>(
      new TlsStream(std::move(socket), std::move(reading), std::move(writing), records_per_key));
}

TlsState TlsStream::state() const {
  TlsState state{};
  memcpy(state.read_secret, reading_.secret(), sizeof state.read_secret);
  memcpy(state.write_secret, writing_.secret(), sizeof state.write_secret);
  state.read_records = reading_.records();
  state.write_records = writing_.records();
  return state;
}

bool TlsStream::IsBetweenRecords() const {
  return sealed_begin_ == sealed_end_ && arrived_begin_ == arrived_end_ &&
         opened_begin_ == opened_end_;
}

// ---- writing

Result<size_t> TlsStream::Write(std::span<const iovec> parts) {
  const size_t offered = BytesOf(parts);
  size_t taken = 0;
  while (true) {
    if (sealed_begin_ == sealed_end_) {
      FARLANE_TRY(CatchUpOnKeys());
      FARLANE_TRY(SealRun(parts, taken));
    }
    FARLANE_ASSIGN(const bool all, SendSealed());
    if (!all) {
      return taken;
    }
    taken += std::exchange(sealed_plain_, 0);
    if (taken >= offered) {
      return taken;
    }
  }
}

// As many records as one call of the system is worth, from `skip` bytes on.
Status TlsStream::SealRun(std::span<const iovec> parts, size_t skip) {
  const size_t end = std::min(BytesOf(parts), skip + kRecordsPerRun * kRecordPlainMax);
  while (skip < end) {
    const size_t size = std::min(end - skip, kRecordPlainMax);
    FARLANE_TRY(SealRecord(parts, skip, size));
    skip += size;
    sealed_plain_ += size;
  }
  return Status::Ok();
}

Status TlsStream::SealRecord(std::span<const iovec> parts, size_t skip, size_t size) {
  bool sealed = writing_.BeginSeal(size, sealed_.data() + sealed_end_);
  size_t left = size;
  for (const iovec& part : parts) {
    if (skip >= part.iov_len) {
      skip -= part.iov_len;
      continue;
    }
    const size_t here = std::min(left, part.iov_len - skip);
    sealed = sealed && writing_.SealPart(
                           ConstBytes(static_cast<const std::byte*>(part.iov_base) + skip, here));
    left -= here;
    skip = 0;
    if (left == 0) {
      break;
    }
  }
  if (!sealed || !writing_.EndSeal(ContentType::kData)) {
    return Status(StatusCode::kInternal, "the cipher of TLS has failed");
  }
  sealed_end_ += kRecordHeaderBytes + size + kRecordTailBytes;
  return Status::Ok();
}

Status TlsStream::CatchUpOnKeys() {
  if (owes_key_.exchange(false, std::memory_order_acq_rel) ||
      writing_.records() + kRecordsPerRun >= records_per_key_) {
    return SealKeyUpdate();
  }
  return Status::Ok();
}

Status TlsStream::SealKeyUpdate() {
  const auto message = std::as_bytes(std::span(kKeyUpdate));
  if (!writing_.BeginSeal(message.size(), sealed_.data() + sealed_end_) ||
      !writing_.SealPart(message) || !writing_.EndSeal(ContentType::kHandshake)) {
    return Status(StatusCode::kInternal, "the cipher of TLS has failed");
  }
  sealed_end_ += kRecordHeaderBytes + message.size() + kRecordTailBytes;
  return writing_.Update();
}

// True when nothing is left.
Result<bool> TlsStream::SendSealed() {
  while (sealed_begin_ < sealed_end_) {
    const iovec rest{.iov_base = sealed_.data() + sealed_begin_,
                     .iov_len = sealed_end_ - sealed_begin_};
    FARLANE_ASSIGN(const size_t sent, socket_.Write(std::span(&rest, 1)));
    if (sent == 0) {
      return false;
    }
    sealed_begin_ += sent;
  }
  sealed_begin_ = sealed_end_ = 0;
  return true;
}

// ---- reading

Result<Transfer> TlsStream::Read(Bytes into) {
  size_t given = GiveOpened(into);
  while (given < into.size() && !closed_) {
    const size_t next = NextRecordBytes();
    if (next > kRecordHeaderBytes + kRecordBodyMax) {
      return Status(StatusCode::kCorrupt, "what arrives is no record of TLS");
    }
    if (next != 0 && arrived_end_ - arrived_begin_ >= next) {
      FARLANE_TRY(OpenNext(into, &given));
      continue;
    }
    if (given != 0) {
      break;
    }
    FARLANE_ASSIGN(const size_t got, Receive(into.size()));
    if (got == 0) {
      break;
    }
  }
  return Transfer{.bytes = given, .closed = given == 0 && closed_ && !into.empty()};
}

// Bytes of the record at the front; 0 as long as that is not known.
size_t TlsStream::NextRecordBytes() const {
  if (arrived_end_ - arrived_begin_ < kRecordHeaderBytes) {
    return 0;
  }
  const auto* const header = reinterpret_cast<const uint8_t*>(arrived_.data() + arrived_begin_);
  return kRecordHeaderBytes + (static_cast<size_t>(header[3]) << 8 | header[4]);
}

// No more than fits the reader's room, or what the record at the front lacks: what is left in the
// socket is what makes it readable for whoever looks at it next.
Result<size_t> TlsStream::Receive(size_t room) {
  const size_t have = arrived_end_ - arrived_begin_;
  if (arrived_begin_ != 0) {
    memmove(arrived_.data(), arrived_.data() + arrived_begin_, have);
    arrived_begin_ = 0;
    arrived_end_ = have;
  }
  const size_t next = std::max(NextRecordBytes(), kRecordHeaderBytes);
  const size_t wanted = std::clamp(std::min(room, arrived_.size()), next, arrived_.size());
  FARLANE_ASSIGN(const Transfer got,
                 socket_.Read(Bytes(arrived_.data() + have, std::max(wanted, have) - have)));
  arrived_end_ += got.bytes;
  closed_ = got.closed;
  return got.bytes;
}

// Opens the record at the front, which is there as a whole.
Status TlsStream::OpenNext(Bytes into, size_t* given) {
  const ConstBytes record(arrived_.data() + arrived_begin_, NextRecordBytes());
  arrived_begin_ += record.size();
  if (record[0] != static_cast<std::byte>(ContentType::kData)) {
    return Status(StatusCode::kCorrupt, "a record of TLS came without protection");
  }
  const size_t content =
      record.size() - std::min(record.size(), kRecordHeaderBytes + 1 + kTagBytes);
  const bool fits = content <= into.size() - *given;
  std::byte* const to = fits ? into.data() + *given : opened_.data();
  FARLANE_ASSIGN(const RecordProtection::Opened opened, reading_.Open(record, to));
  if (opened.type != ContentType::kData) {
    return TakeRecord(opened.type, ConstBytes(to, opened.bytes));
  }
  if (fits) {
    *given += opened.bytes;
    return Status::Ok();
  }
  opened_begin_ = 0;
  opened_end_ = opened.bytes;
  *given += GiveOpened(into.subspan(*given));
  return Status::Ok();
}

size_t TlsStream::GiveOpened(Bytes into) {
  const size_t bytes = std::min(into.size(), opened_end_ - opened_begin_);
  memcpy(into.data(), opened_.data() + opened_begin_, bytes);
  opened_begin_ += bytes;
  has_opened_.store(opened_begin_ < opened_end_, std::memory_order_release);
  return bytes;
}

Status TlsStream::TakeRecord(ContentType type, ConstBytes content) {
  switch (type) {
    case ContentType::kAlert:
      return TakeAlert(content);
    case ContentType::kHandshake:
      return TakeHandshake(content);
    default:
      return Status(StatusCode::kCorrupt, "a record of TLS holds what has no place there");
  }
}

Status TlsStream::TakeAlert(ConstBytes content) {
  const auto number = content.size() < 2 ? uint8_t{0} : static_cast<uint8_t>(content[1]);
  if (content.size() == 2 && number == kCloseNotify) {
    closed_ = true;
    return Status::Ok();
  }
  return Status(StatusCode::kRefused,
                std::string("the other side ended TLS: ") + AlertName(number));
}

// After the handshake there is only one thing to agree on: the next key.
Status TlsStream::TakeHandshake(ConstBytes content) {
  const auto expected = std::as_bytes(std::span(kKeyUpdate));
  if (content.size() != expected.size() ||
      memcmp(content.data(), expected.data(), expected.size() - 1) != 0 ||
      content.back() > kUpdateRequested) {
    return Status(StatusCode::kUnsupported, "TLS asks for what this library does not do");
  }
  if (content.back() == kUpdateRequested) {
    owes_key_.store(true, std::memory_order_release);
  }
  return reading_.Update();
}

// ---- waiting

Result<bool> TlsStream::Wait(Interest what, Deadline until) {
  if (what != Interest::kWrite && has_opened_.load(std::memory_order_acquire)) {
    return true;
  }
  return socket_.Wait(what, until);
}

}  // namespace farlane::transport
