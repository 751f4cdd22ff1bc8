// SPDX-License-Identifier: Apache-2.0
// TouchWaits has a program that touches managed memory wait for kernels which may be using it, as
// CUDA's rules for such devices want: from a launch to the next wait, its pages are not there, and
// whoever reads or writes them, or has a system call do it, goes on when all work is done and what
// it changed is there. So what both sides add to one word is added up.
//
// Only small memory is held, since all of it is compared afterwards, and only a program that has
// not too many pieces of it. Nobody waits for ever: a kernel may itself be waiting for what the
// program is about to write, which nobody can know. After a while it goes on, and is not held
// again.
#pragma once

#include <atomic>
#include <cstdint>

#include "protocol/base/page_guard.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Lock order: after the lock of MirroredMemory, which is not held while somebody waits here.
// Thread: any.
class TouchWaits {
 public:
  static constexpr uint64_t kBytesMax = uint64_t{4} << 20;  // of one piece
  static constexpr size_t kPiecesMax = 64;

  explicit TouchWaits(Session& session) : session_(session) {}

  // Whether pieces can be held here.
  bool works();
  // Whether it is safe to hold memory while work of a context is under way: nothing there may wait
  // for the program.
  bool MayHold(wire::Handle context);

  // Before work is posted that may use whole pages of the program's.
  void Hold(wire::Handle context, uint64_t address, uint64_t bytes);

  // After a wait, when what was changed is there.
  void LetGo() { guard_.PutAllBack(); }

  PageGuard& guard() { return guard_; }

  const PageGuard& guard() const { return guard_; }

  // The session ends: nothing is held any more.
  void Close() { guard_.Stop(); }

 private:
  void OnTouch();

  Session& session_;
  std::atomic<wire::Handle> context_{0};  // of the last work
  std::atomic<bool> gave_up_{false};
  PageGuard guard_{[this] { OnTouch(); }};
};

}  // namespace farlane::shim
