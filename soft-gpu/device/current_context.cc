// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/current_context.h"

#include <pthread.h>

#include "protocol/base/check.h"

namespace farlane::soft {
namespace {

// A plain pointer: it has no destructor that would run before the program's exit handlers.
thread_local ThreadState* this_thread = nullptr;

void FreeState(void* state) {
  this_thread = nullptr;
  delete static_cast<ThreadState*>(state);
}

// Its destructor runs when a thread ends, but not when the process exits.
pthread_key_t StateKey() {
  static const pthread_key_t key = [] {
    pthread_key_t made;
    FARLANE_CHECK(pthread_key_create(&made, &FreeState) == 0);
    return made;
  }();
  return key;
}

}  // namespace

ThreadState::~ThreadState() {
  for (const auto& [context_id, stream] : own_streams) {
    stream->Close();
  }
}

ThreadState& ThisThread() {
  if (this_thread == nullptr) [[unlikely]] {
    this_thread = new ThreadState();
    FARLANE_CHECK(pthread_setspecific(StateKey(), this_thread) == 0);
  }
  return *this_thread;
}

std::shared_ptr<Stream> OwnStream(Context* context) {
  std::shared_ptr<Stream>& stream = ThisThread().own_streams[context->id()];
  if (stream == nullptr) {
    stream = context->CreateStream(CU_STREAM_DEFAULT, kPriorityLeast);
  }
  return stream;
}

}  // namespace farlane::soft
