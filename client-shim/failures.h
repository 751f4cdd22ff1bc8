// SPDX-License-Identifier: Apache-2.0
// Failures are what went wrong with commands that nobody waited for, kept until a call may return
// them. Each is told once; a fault stays. Where calls wait (FARLANE_SYNC=1) a failure is told by
// the call that made the command, and by no other thread's.
#pragma once

#include <atomic>
#include <map>
#include <vector>

#include <sys/types.h>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/frame.h"

namespace farlane::shim {

// Whether a result means that its context is beyond use: every later call gives it again.
bool IsFault(CUresult result);

// Thread: any.
class Failures {
 public:
  explicit Failures(bool synchronous) : synchronous_(synchronous) {}

  // This thread has posted a command. Before anybody can hear of its end.
  void NotePost(wire::Sequence number) {
    if (synchronous_) [[unlikely]] {
      NoteOwner(number);
    }
  }

  // A failure that is no single command's. A fault says more than what it interrupted and takes its
  // place; of others a code that waits to be told already is not told twice.
  void Note(CUresult result);
  // The failure of a command.
  void NoteOf(wire::Sequence number, CUresult result);

  // What a call has to tell now.
  CUresult Take() {
    return first_.load(std::memory_order_relaxed) == CUDA_SUCCESS ? CUDA_SUCCESS : TakeSlow();
  }

  // The fault that every call returns; success when there is none.
  CUresult fault() const {
    const auto first = static_cast<CUresult>(first_.load(std::memory_order_relaxed));
    return IsFault(first) ? first : CUDA_SUCCESS;
  }

  // The same for a call that has waited for all commands of this thread.
  CUresult TakeOwn();

  // Forgets everything: the context it belongs to is gone.
  void Forget();

 private:
  // More commands than one call makes, and more than a thread leaves without ever waiting.
  static constexpr size_t kOwnedMax = 1 << 16;

  struct Owned {
    std::map<wire::Sequence, pid_t> posts;        // not waited for yet
    std::map<wire::Sequence, CUresult> failures;  // of those
  };

  void NoteOwner(wire::Sequence number);
  CUresult TakeSlow();

  const bool synchronous_;
  std::atomic<int32_t> first_{CUDA_SUCCESS};  // written with `others_` held
  Guarded<std::vector<CUresult>> others_;     // that come after it, all different
  Guarded<Owned> owned_;                      // only where calls wait
};

}  // namespace farlane::shim
