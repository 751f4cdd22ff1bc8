// SPDX-License-Identifier: Apache-2.0
// ShmStream is a Stream between two processes of one machine: two rings in shared memory, and the
// Unix socket over which the memory was passed. All bytes of the stream go through the rings. The
// socket carries single bytes that wake who sleeps, and its end is how either side learns that the
// other is gone.
#pragma once

#include <atomic>
#include <mutex>

#include "protocol/base/fd.h"
#include "protocol/transport/shm_ring.h"
#include "protocol/transport/stream.h"

namespace farlane::transport {

// Thread: as Stream; besides, any number of threads may sleep between BeginWait and EndWait.
class ShmStream final : public Stream {
 public:
  // Makes the memory and passes it over the connected Unix socket, which stays the stream's.
  // kUnavailable: the socket takes no descriptors.
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
  int WaitFd() const override { return socket_.get(); }

  short WaitEvents(Interest /*what*/) const override { return POLLIN; }

  const char* name() const override { return "shm"; }

 private:
  ShmStream(Fd socket, std::byte* memory, bool maker);

  bool IsReady(Interest what) const;
  void WakePartner();
  void TakeWakeups();

  Fd socket_;
  std::byte* const memory_;
  RingWriter writer_;
  RingReader reader_;
  // Guards the next two and, with them, what this side says of its sleep in shared memory, which no
  // Guarded could hold.
  std::mutex sleeping_;
  int readers_asleep_ = 0;
  int writers_asleep_ = 0;
  std::atomic<bool> gone_{false};  // the other side, or this one after Shutdown
};

}  // namespace farlane::transport
