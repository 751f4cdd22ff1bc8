// SPDX-License-Identifier: Apache-2.0
// Stream is one ordered, reliable byte pipe to one peer. It knows nothing of CUDA, sessions,
// credits or who may speak: those live above it. Nothing here blocks except Wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <poll.h>
#include <sys/uio.h>

#include "protocol/base/bytes.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"
#include "protocol/transport/bulk_window.h"

namespace farlane::transport {

enum class Interest : uint8_t { kRead, kWrite, kReadOrWrite };

// A point on the clock of NowNs(); kForever never comes.
using Deadline = uint64_t;
inline constexpr Deadline kForever = UINT64_MAX;

// What reading or writing found. `closed`: the peer sent everything it had and closed in good
// order.
struct Transfer {
  size_t bytes = 0;
  bool closed = false;
};

// Thread: one reader and one writer at a time; Wait by either; Shutdown by anybody.
class Stream {
 public:
  virtual ~Stream() = default;

  // Takes what it can of `parts` and says how much; 0 when it would have to wait.
  // kInvalidArgument: nothing was taken, as memory of `parts` cannot be read, and the stream goes
  // on.
  virtual Result<size_t> Write(std::span<const iovec> parts) = 0;
  // Gives what has arrived; 0 bytes and not closed when nothing has.
  virtual Result<Transfer> Read(Bytes into) = 0;
  // Sleeps until reading or writing may get on, or the deadline has passed; true when it may.
  virtual Result<bool> Wait(Interest what, Deadline until) = 0;
  // Ends both directions; a thread in Wait returns.
  virtual void Shutdown() = 0;
  // For poll(), between BeginWait and EndWait; -1 when this kind can only be asked.
  virtual int WaitFd() const = 0;

  // To be called before poll() on WaitFd; false when there is no need to sleep, and no EndWait
  // then.
  virtual bool BeginWait(Interest /*what*/) { return true; }

  virtual void EndWait(Interest /*what*/) {}

  // What to poll() for on WaitFd, in the words of poll().
  virtual short WaitEvents(Interest what) const {
    return static_cast<short>((what != Interest::kWrite ? POLLIN : 0) |
                              (what != Interest::kRead ? POLLOUT : 0));
  }

  // Between BeginWait and EndWait: when to go on though poll() has found nothing. UINT64_MAX:
  // never.
  virtual uint64_t WaitUntil(Interest /*what*/) const { return UINT64_MAX; }

  // What carries the bytes, for people: "tcp", "unix", "shm".
  virtual const char* name() const = 0;

  // The socket alone, if the stream is nothing more, and of no use afterwards; else an invalid one.
  virtual Fd TakeSocket() { return Fd(); }

  // A socket of which the end is the peer's.
  virtual int LifeFd() const { return WaitFd(); }

  // How much copied data should be under way at a time, now. Any thread.
  virtual uint64_t BulkWindowBytes() const { return kBulkWindowMin; }
};

}  // namespace farlane::transport
