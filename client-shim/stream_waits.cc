// SPDX-License-Identifier: Apache-2.0
#include "client-shim/stream_waits.h"

#include "client-shim/session.h"

namespace farlane::shim {

void StreamWaits::Note(wire::Handle stream, wire::Sequence number) {
  waits_.With([&](Waits& waits) {
    waits[stream] = {.number = number};
    count_.store(waits.size(), std::memory_order_release);
  });
}

void StreamWaits::NoteEvent(wire::Handle event, wire::Handle stream, wire::Sequence number) {
  if (!session_.shares().any()) {
    return;
  }
  const Event* found = session_.objects().events.Find(event);
  if (found != nullptr && found->recording->shared.load()) {
    Note(stream, number);
  }
}

bool StreamWaits::any(wire::Handle context) {
  if (count_.load(std::memory_order_acquire) == 0) {
    return false;
  }
  // Nothing may be posted with the lock held.
  Waits waits;
  waits_.With([&waits](const Waits& now) { waits = now; });
  bool any = false;
  for (const auto& [stream, wait] : waits) {
    if (IsOver(context, stream, wait)) {
      Forget(stream, wait.number);
    } else {
      any = true;
    }
  }
  return any;
}

bool StreamWaits::IsOver(wire::Handle context, wire::Handle stream, const Wait& wait) {
  Completions& completions = session_.completions();
  if (completions.IsStreamDone(stream, wait.number)) {
    return true;
  }
  if (wait.watch != 0) {
    if (completions.IsOpen(wait.watch)) {
      session_.channel().Poll();
    }
    return !completions.IsOpen(wait.watch);
  }
  // A stream that is destroyed finishes what it has, but cannot be watched.
  const Stream* object = session_.objects().streams.Find(stream);
  if (stream != 0 && object == nullptr) {
    return false;
  }
  const wire::Sequence watch =
      completions.OpenWatch(object == nullptr ? context : object->context, stream);
  waits_.With([&](Waits& waits) {
    const auto found = waits.find(stream);
    if (found != waits.end() && found->second.number == wait.number) {
      found->second.watch = watch;
    }
  });
  return false;
}

void StreamWaits::Forget(wire::Handle stream, wire::Sequence number) {
  waits_.With([&](Waits& waits) {
    const auto found = waits.find(stream);
    if (found != waits.end() && found->second.number == number) {
      waits.erase(found);
    }
    count_.store(waits.size(), std::memory_order_release);
  });
}

}  // namespace farlane::shim
