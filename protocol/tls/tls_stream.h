// SPDX-License-Identifier: Apache-2.0
// TlsStream is a Stream over a connected socket under TLS 1.3, after the handshake. Whole pieces of
// data become a run of records that leaves in one call of the system, and arriving records are
// opened straight into the reader's memory.
//
// What Write has taken is handed to the socket: it reports bytes only when their records have left.
// Whoever is told that less was taken must offer the same bytes again, as with any stream.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "protocol/tls/record_protection.h"
#include "protocol/transport/socket_stream.h"
#include "protocol/transport/tls.h"

namespace farlane::transport {

// Thread: as Stream.
class TlsStream final : public TlsConnection {
 public:
  // Records under one key before the next is taken: below what the cipher allows (RFC 8446, 5.5).
  static constexpr uint64_t kRecordsPerKey = uint64_t{1} << 23;

  static Result<std::unique_ptr<TlsStream>> Create(Fd socket,
                                                   const TlsState& state,
                                                   uint64_t records_per_key = kRecordsPerKey);

  Result<size_t> Write(std::span<const iovec> parts) override;
  Result<Transfer> Read(Bytes into) override;
  Result<bool> Wait(Interest what, Deadline until) override;

  // The protocol above says goodbye by itself, under the same protection, so an end without
  // TLS's own farewell deceives nobody.
  void Shutdown() override { socket_.Shutdown(); }

  int WaitFd() const override { return socket_.WaitFd(); }

  // Opened bytes that nobody has taken make no socket readable.
  bool BeginWait(Interest what) override {
    return what == Interest::kWrite || !has_opened_.load(std::memory_order_acquire);
  }

  const char* name() const override { return "tls"; }

  uint64_t BulkWindowBytes() const override { return socket_.BulkWindowBytes(); }

  TlsState state() const override;
  bool IsBetweenRecords() const override;

 private:
  TlsStream(Fd socket, RecordProtection reading, RecordProtection writing, uint64_t per_key);

  Status SealRun(std::span<const iovec> parts, size_t skip);
  Status SealRecord(std::span<const iovec> parts, size_t skip, size_t size);
  Status SealKeyUpdate();
  Status CatchUpOnKeys();
  Result<bool> SendSealed();
  Result<size_t> Receive(size_t room);
  size_t NextRecordBytes() const;
  Status OpenNext(Bytes into, size_t* given);
  Status TakeRecord(ContentType type, ConstBytes content);
  Status TakeAlert(ConstBytes content);
  Status TakeHandshake(ConstBytes content);
  size_t GiveOpened(Bytes into);

  SocketStream socket_;
  const uint64_t records_per_key_;

  // The writer's.
  RecordProtection writing_;
  std::vector<std::byte> sealed_;  // records, of which those up to sealed_end_ are to be sent
  size_t sealed_begin_ = 0;
  size_t sealed_end_ = 0;
  size_t sealed_plain_ = 0;  // what they hold of the writer's bytes

  // The reader's.
  RecordProtection reading_;
  std::vector<std::byte> arrived_;
  size_t arrived_begin_ = 0;
  size_t arrived_end_ = 0;
  std::vector<std::byte> opened_;  // of a record that was larger than the room for it
  size_t opened_begin_ = 0;
  size_t opened_end_ = 0;
  bool closed_ = false;

  std::atomic<bool> has_opened_{false};
  std::atomic<bool> owes_key_{false};  // the peer asks for a new key of ours
};

}  // namespace farlane::transport
