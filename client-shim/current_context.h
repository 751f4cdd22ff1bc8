// SPDX-License-Identifier: Apache-2.0
// The calling thread's contexts: a stack, as the driver keeps one per thread, and the thread's own
// default streams.
#pragma once

#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Thread: the one that it belongs to.
class ThreadState {
 public:
  static ThreadState& Mine() {
    ThreadState* const known = mine_;
    return known != nullptr ? *known : MakeMine();
  }

  ~ThreadState();

  wire::Handle current() const { return stack_.empty() ? 0 : stack_.back(); }

  // Replaces the top of the stack; 0 takes it off. A thread that may not call us has no context.
  void SetCurrent(wire::Handle context);

  void Push(wire::Handle context) {
    if (!in_callback) {
      stack_.push_back(context);
    }
  }

  // 0 when the stack is empty.
  wire::Handle Pop();
  // Takes a context that is gone off the top.
  void Drop(wire::Handle context);

  // The stream that CU_STREAM_PER_THREAD means in the current context; made at its first use. Null
  // if that fails.
  CUstream OwnStream();

  Session* routed = nullptr;  // of the call in progress, if a Route has found it
  bool in_callback = false;   // functions of the program run here that may not call us
  CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

 private:
  friend class StateEnder;

  // A plain pointer, because objects of a thread are destroyed before exit handlers and destructors
  // of the program's static objects run, and those still call us with their context current.
  static constinit thread_local ThreadState* mine_;

  static ThreadState& MakeMine();

  struct OwnStreamOf {
    wire::Handle context;
    wire::Handle stream;
  };

  std::vector<wire::Handle> stack_;
  std::vector<OwnStreamOf> own_streams_;
};

}  // namespace farlane::shim
