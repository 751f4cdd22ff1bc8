// SPDX-License-Identifier: Apache-2.0
// SharedEvents are events that several processes record and wait for. They live in the file of the
// devices' frames: how often each was recorded, and which of the last records are done. An event is
// there as long as any process holds a lock on it; the kernel drops the locks of who dies, and what
// the dead had recorded counts as done.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "protocol/base/guarded.h"
#include "soft-gpu/device/frame_file.h"

namespace farlane::soft {

// Names an event to other processes.
struct SharedEventKey {
  uint32_t place = 0;
  uint32_t maker = 0;   // the process that made it, as the file counts all there ever were
  uint32_t serial = 0;  // another one each time, so that an old key opens nothing
};

class SharedEvents;

// An event that this process holds. Shared by its handle and by work that records or awaits it.
// Thread: any.
class SharedEvent {
 public:
  SharedEvent(SharedEvents* all, const SharedEventKey& key) : all_(all), key_(key) {}

  SharedEvent(const SharedEvent&) = delete;
  SharedEvent& operator=(const SharedEvent&) = delete;
  ~SharedEvent();

  const SharedEventKey& key() const { return key_; }

  // Counts a record, which is done with Finish; its number.
  uint32_t Begin();
  void Finish(uint32_t number);
  // The number of the last record; 0: none.
  uint32_t last() const;
  bool IsDone(uint32_t number) const;
  // Looks again and again: nobody tells one process of what another does.
  void Wait(uint32_t number) const;

 private:
  SharedEvents* all_;
  SharedEventKey key_;
};

// Thread: any, guarded by locks on the file, which other processes take as well.
class SharedEvents {
 public:
  // How many records of one event may be under way.
  static constexpr uint32_t kRecordsMax = 64;

  explicit SharedEvents(std::shared_ptr<FrameFile> file) : file_(std::move(file)) {}

  // Null: there are too many.
  std::shared_ptr<SharedEvent> Make();
  // Null: the key names nothing any more.
  std::shared_ptr<SharedEvent> Join(const SharedEventKey& key);

  // The process that this one is, as the file counts them.
  uint32_t self() const { return file_->process(); }

 private:
  friend class SharedEvent;

  struct Record;
  struct Place;
  class Turn;
  using Held = std::map<uint32_t, uint32_t>;  // how often, by place: our locks hide from ourselves

  static uint32_t PlacesCount();
  const Place& place(uint32_t index) const;
  void Write(const void* at, const void* value, size_t bytes);
  bool IsHeldByOthers(uint32_t index) const;
  std::shared_ptr<SharedEvent> Hold(Held& held, const SharedEventKey& key);
  void Leave(uint32_t index);

  std::shared_ptr<FrameFile> file_;  // shared with the devices' frames
  Guarded<Held> held_;
};

}  // namespace farlane::soft
