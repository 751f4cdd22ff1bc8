// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/outbox.h"

#include "protocol/base/clock.h"

namespace farlane::server {

// Under the writer's lock.
bool Outbox::IsHeldBack(const channel::BatchWriter& writer) {
  if (grid_ns_ == 0 || writer.unsent_bytes() == 0) {
    return false;
  }
  const uint64_t now_ns = NowNs();
  uint64_t release_ns = release_ns_.load(std::memory_order_relaxed);
  if (release_ns == 0) {
    release_ns = now_ns - now_ns % grid_ns_ + grid_ns_;
    release_ns_.store(release_ns, std::memory_order_relaxed);
  }
  return now_ns < release_ns;
}

uint64_t Outbox::DueInNs() const {
  const uint64_t release_ns = release_ns_.load(std::memory_order_relaxed);
  const uint64_t now_ns = release_ns == 0 ? 0 : NowNs();
  return release_ns > now_ns ? release_ns - now_ns : 0;
}

bool Outbox::FlushSome(channel::BatchWriter& writer) {
  if (IsHeldBack(writer)) {
    return false;
  }
  const Result<bool> done = writer.Flush();
  if (!done.has_value()) {
    broken_.store(true, std::memory_order_relaxed);
    return false;
  }
  if (*done) {
    release_ns_.store(0, std::memory_order_relaxed);
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
