// SPDX-License-Identifier: Apache-2.0
// PacedStream is a connection over the network of which no more is read and written than NetGate
// allows. Everything else is the connection's that it was made of.
#pragma once

#include <memory>
#include <optional>

#include "gpu-server/session/net_gate.h"
#include "protocol/transport/stream.h"

namespace farlane::server {

// Whether the bytes of a stream go over a network, as far as can be told by its kind.
bool GoesOverNetwork(const transport::Stream& stream);

// Thread: as Stream.
class PacedStream final : public transport::Stream {
 public:
  // Both stay the caller's.
  PacedStream(transport::Stream& stream, NetGate& gate) : stream_(stream), gate_(gate) {}

  Result<size_t> Write(std::span<const iovec> parts) override;
  Result<transport::Transfer> Read(Bytes into) override;
  Result<bool> Wait(transport::Interest what, transport::Deadline until) override;

  void Shutdown() override { stream_.Shutdown(); }

  int WaitFd() const override { return stream_.WaitFd(); }

  bool BeginWait(transport::Interest what) override;
  void EndWait(transport::Interest what) override;
  short WaitEvents(transport::Interest what) const override;
  uint64_t WaitUntil(transport::Interest what) const override;

  const char* name() const override { return stream_.name(); }

  int LifeFd() const override { return stream_.LifeFd(); }

  uint64_t BulkWindowBytes() const override { return stream_.BulkWindowBytes(); }

 private:
  std::optional<transport::Interest> Unblocked(transport::Interest what) const;

  transport::Stream& stream_;
  NetGate& gate_;
  std::optional<transport::Interest> awaited_;  // of the stream, between BeginWait and EndWait
};

}  // namespace farlane::server
