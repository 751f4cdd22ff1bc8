// SPDX-License-Identifier: Apache-2.0
#include "client-shim/current_context.h"

#include <pthread.h>

#include "client-shim/bodies.h"
#include "client-shim/process.h"

namespace farlane::shim {

constinit thread_local ThreadState* ThreadState::mine_ = nullptr;

// Ends a thread's state after all of the thread's own objects, and the main thread's never.
class StateEnder {
 public:
  StateEnder() : made_(pthread_key_create(&key_, &StateEnder::End) == 0) {}

  // Unloading the library takes the code away that a thread which ends later would run.
  ~StateEnder() {
    if (made_) {
      pthread_key_delete(key_);
    }
  }

  void Watch(ThreadState* state) const {
    if (made_) {
      pthread_setspecific(key_, state);
    }
  }

 private:
  static void End(void* state) {
    ThreadState::mine_ = nullptr;
    delete static_cast<ThreadState*>(state);
  }

  pthread_key_t key_ = 0;
  const bool made_;
};

namespace {

const StateEnder state_ender;

}  // namespace

[[gnu::cold, gnu::noinline]] ThreadState& ThreadState::MakeMine() {
  mine_ = new ThreadState();
  state_ender.Watch(mine_);
  return *mine_;
}

ThreadState::~ThreadState() {
  for (const OwnStreamOf& own : own_streams_) {
    Session* const session = Process::Get().SessionOf(own.context);
    if (session != nullptr && session->objects().streams.Find(own.stream) != nullptr) {
      session->Post(own.context, wire::StreamDestroy{.hStream = own.stream});
      session->objects().streams.Retire(own.stream);
    }
  }
}

void ThreadState::SetCurrent(wire::Handle context) {
  if (in_callback) {
    return;
  }
  if (context == 0) {
    Pop();
  } else if (stack_.empty()) {
    stack_.push_back(context);
  } else {
    stack_.back() = context;
  }
}

wire::Handle ThreadState::Pop() {
  if (stack_.empty()) {
    return 0;
  }
  const wire::Handle top = stack_.back();
  stack_.pop_back();
  return top;
}

void ThreadState::Drop(wire::Handle context) {
  if (current() == context) {
    stack_.pop_back();
  }
}

CUstream ThreadState::OwnStream() {
  const wire::Handle context = current();
  Session* const session = Process::Get().SessionOf(context);
  if (session == nullptr || context == 0) {
    return nullptr;
  }
  for (const OwnStreamOf& own : own_streams_) {
    if (own.context == context && session->objects().streams.Find(own.stream) != nullptr) {
      return FromWire<CUstream>(own.stream);
    }
  }
  CUstream stream = nullptr;
  // A blocking stream: it orders itself with the legacy stream, as the driver's per-thread stream
  // does.
  if (cuStreamCreateWithPriority(&stream, CU_STREAM_DEFAULT, 0) != CUDA_SUCCESS) {
    return nullptr;
  }
  own_streams_.push_back({context, ToWire(stream)});
  return stream;
}

CUstream ThreadStream() {
  return ThreadState::Mine().OwnStream();
}

}  // namespace farlane::shim
