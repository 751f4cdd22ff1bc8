// SPDX-License-Identifier: Apache-2.0
// ShmStream is a Stream between two processes of one machine: two rings in shared memory, an event
// for each side to be woken by, and the Unix socket over which both were passed. The socket carries
// nothing more; its end is how either side learns that the other is gone.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/transport/shm_ring.h"
#include "protocol/transport/stream.h"

namespace farlane::transport {

// What one side makes and passes to the other.
struct ShmParts {
  Fd memory;         // both rings: first the one of whoever made it
  Fd maker_event;    // wakes whoever made it
  Fd partner_event;  // wakes the other
};

// Thread: as Stream.
class ShmStream final : public Stream {
 public:
  // Makes the memory and the events, and passes them over the connected Unix socket, which stays
  // the stream's. kUnavailable: the socket takes no descriptors.
  static Result<std::unique_ptr<ShmStream>> Offer(Fd socket);
  // Takes what the other side has passed; waits for it until then. kCorrupt: what came is not what
  // a side of ours makes, for example memory that its maker could take away again.
  static Result<std::unique_ptr<ShmStream>> Accept(Fd socket, Deadline until);
  ~ShmStream() override;

  Result<size_t> Write(std::span<const iovec> parts) override;
  Result<Transfer> Read(Bytes into) override;
  Result<bool> Wait(Interest what, Deadline until) override;
  void Shutdown() override;

  bool BeginWait(Interest what) override;
  void EndWait(Interest what) override;

  // Readable when something has come or there is room, but only after BeginWait has said true.
  int WaitFd() const override { return poll_.get(); }

  int LifeFd() const override { return socket_.get(); }

 private:
  ShmStream(Fd socket, ShmParts parts, std::byte* memory, bool maker);

  Status WatchBoth();
  bool IsReady(Interest what) const;

  Fd socket_;
  ShmParts parts_;
  std::byte* const memory_;
  std::byte* const outgoing_;
  const int own_event_;
  const int other_event_;
  Fd poll_;  // of our event and the socket
  RingWriter writer_;
  RingReader reader_;
  std::atomic<bool> gone_{false};  // the other side, or this one after Shutdown
};

}  // namespace farlane::transport
