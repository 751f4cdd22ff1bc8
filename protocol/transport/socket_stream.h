// SPDX-License-Identifier: Apache-2.0
// SocketStream is a Stream over a connected TCP or Unix socket.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/transport/liveness.h"
#include "protocol/transport/stream.h"

namespace farlane::transport {

// Thread: as Stream.
class SocketStream final : public Stream {
 public:
  // Takes a connected socket, makes it non-blocking and, if it is TCP, sends small batches at once.
  explicit SocketStream(Fd socket, int silence_seconds = kSilenceSeconds);

  Result<size_t> Write(std::span<const iovec> parts) override;
  Result<Transfer> Read(Bytes into) override;
  Result<bool> Wait(Interest what, Deadline until) override;
  void Shutdown() override;

  int WaitFd() const override { return socket_.get(); }

  Fd TakeSocket() override { return std::move(socket_); }

  const char* name() const override { return is_unix_ ? "unix" : "tcp"; }

  uint64_t BulkWindowBytes() const override { return BulkWindow(socket_.get()); }

 private:
  Fd socket_;
  const int silence_seconds_;
  bool is_unix_ = false;
};

}  // namespace farlane::transport
