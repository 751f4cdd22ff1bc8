// SPDX-License-Identifier: Apache-2.0
// Outbox is the one place from which this side's messages go to the client, so that every thread's
// messages are numbered and sent in one order.
// Its lock is held while bytes are handed to the socket, which never waits.
#pragma once

#include <atomic>
#include <utility>

#include "gpu-server/session/trip_meter.h"
#include "gpu-server/session/wakeup.h"
#include "protocol/base/guarded.h"
#include "protocol/channel/batch_writer.h"

namespace farlane::server {

// Thread: any, guarded.
class Outbox {
 public:
  // Beyond this the peer does not take its messages: no more data is added, and no more of its
  // commands are read. Answers still go in, so it is not the most that can be held.
  static constexpr size_t kUnsentBytesMax = 8_MiB;

  Outbox(transport::Stream& stream, Wakeup& wakeup)
      : wakeup_(wakeup), writer_(std::in_place, stream) {}

  // The message's number; 0, and nothing is added, when it is too long.
  template <typename Message>
  wire::Sequence Append(const Message& message) {
    return writer_.With([this, &message](channel::BatchWriter& writer) {
      return Noted<Message>(writer.Append(message));
    });
  }

  // As Append and Flush, for a message that ends with much data: as far as the socket takes that at
  // once, it is sent from where it lies.
  template <typename Message>
  wire::Sequence Send(const Message& message) {
    return writer_.With([this, &message](channel::BatchWriter& writer) {
      const wire::Sequence number = Noted<Message>(writer.AppendLent(message));
      static_cast<void>(FlushSome(writer));
      writer.Keep();
      return number;
    });
  }

  // From now on bytes leave only when the clock stands on a multiple of this.
  void SetTimeGrid(uint64_t grid_ns) { grid_ns_ = grid_ns; }

  // In how many nanoseconds what there is may leave; 0: now, or there is nothing.
  uint64_t DueInNs() const;

  // Sends what the socket takes. What remains is the dispatch thread's to send.
  void Flush();
  // As Flush, for other threads: wakes the dispatch thread if something remains.
  void FlushOrWake();

  // The client's messages up to here are done with: said by the next message, whatever it is, or
  // `alone` if there is none to say it.
  void Acknowledge(wire::Sequence executed, bool alone);
  // Says that this side is there, unless something is on its way already.
  void Beat();
  void SayBye();

  size_t unsent_bytes() const {
    return writer_.With([](const channel::BatchWriter& writer) { return writer.unsent_bytes(); });
  }

  // The number of the last message that was appended.
  wire::Sequence last_sequence() const {
    return writer_.With([](const channel::BatchWriter& writer) { return writer.last_sequence(); });
  }

  uint64_t written_bytes() const {
    return writer_.With([](const channel::BatchWriter& writer) { return writer.written_bytes(); });
  }

  // The socket takes no more, ever.
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

  // How the client waits for what goes out here.
  TripMeter& trips() { return trips_; }

 private:
  // Under the writer's lock.
  template <typename Message>
  wire::Sequence Noted(wire::Sequence number) {
    if constexpr (kMayBeAwaited<Message>) {
      trips_.NoteAnswer(number);
    }
    return number;
  }

  bool FlushSome(channel::BatchWriter& writer);
  bool FlushAll();
  bool IsHeldBack(const channel::BatchWriter& writer);

  Wakeup& wakeup_;
  Guarded<channel::BatchWriter> writer_;
  TripMeter trips_;
  std::atomic<bool> broken_{false};
  uint64_t grid_ns_ = 0;                 // 0: bytes leave at once
  std::atomic<uint64_t> release_ns_{0};  // when what there is may leave; 0: there was nothing
};

}  // namespace farlane::server
