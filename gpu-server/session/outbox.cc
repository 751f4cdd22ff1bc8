// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/outbox.h"

namespace farlane::server {

bool Outbox::FlushSome(channel::BatchWriter& writer) {
  const Result<bool> done = writer.Flush();
  if (!done.has_value()) {
    broken_.store(true, std::memory_order_relaxed);
    return false;
  }
  return *done;
}

bool Outbox::FlushAll() {
  return writer_.With([this](channel::BatchWriter& writer) { return FlushSome(writer); });
}

void Outbox::Flush() {
  FlushAll();
}

void Outbox::FlushOrWake() {
  if (!FlushAll()) {
    wakeup_.Wake();
  }
}

void Outbox::Acknowledge(wire::Sequence executed, bool alone) {
  writer_.With([=](channel::BatchWriter& writer) {
    writer.Acknowledge(executed);
    if (alone) {
      writer.AppendAcknowledgement();
    }
  });
}

void Outbox::Beat() {
  const bool appended = writer_.With([](channel::BatchWriter& writer) {
    if (writer.unsent_bytes() != 0) {
      return false;
    }
    writer.AppendHeartbeat();
    return true;
  });
  if (appended) {
    FlushOrWake();
  }
}

void Outbox::SayBye() {
  writer_.With([](channel::BatchWriter& writer) { writer.AppendBye(); });
}

}  // namespace farlane::server
