// SPDX-License-Identifier: Apache-2.0
// ObjectTable gives out the handles of one kind and keeps what the client knows of each object.
// Looking a handle up takes no lock and never follows the handle as an address, so any number that
// a program passes can be asked about.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "protocol/wire/handle.h"

namespace farlane::wire {

// T is default constructible and move assignable. An object may be used until it is retired; a
// program that destroys an object while another thread uses it gets what it would get from any
// driver. Thread: any; minting and retiring guarded.
template <typename T>
class ObjectTable {
 public:
  // `server` is the number of the server that knows the objects, below kServersMax.
  explicit ObjectTable(HandleKind kind, uint32_t server = 0)
      : kind_(kind), first_generation_(server * kServerGenerations) {}

  ~ObjectTable() {
    for (std::atomic<Slot*>& segment : segments_) {
      delete[] segment.load(std::memory_order_relaxed);
    }
  }

  ObjectTable(const ObjectTable&) = delete;
  ObjectTable& operator=(const ObjectTable&) = delete;

  // 0 when there are too many objects of this kind.
  Handle Mint(T object) {
    std::lock_guard<std::mutex> lock(mutex_);
    uint32_t index = 0;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (used_ < kHandleIndexMax) {
      index = used_++;
    } else {
      return 0;
    }
    std::atomic<Slot*>& segment = segments_[index / kSegmentSlots];
    if (segment.load(std::memory_order_relaxed) == nullptr) {
      segment.store(new Slot[kSegmentSlots], std::memory_order_release);
    }
    Slot& slot = segment.load(std::memory_order_relaxed)[index % kSegmentSlots];
    slot.object = std::move(object);
    const Handle handle = MakeHandle(kind_, index, first_generation_ + ++slot.last_generation);
    slot.handle.store(handle, std::memory_order_release);
    return handle;
  }

  // The object, or null if the handle is none of this kind that is alive.
  T* Find(Handle handle) {
    const uint32_t index = IndexOf(handle);
    if (index >= kHandleIndexMax) {
      return nullptr;
    }
    Slot* segment = segments_[index / kSegmentSlots].load(std::memory_order_acquire);
    if (segment == nullptr) {
      return nullptr;
    }
    Slot& slot = segment[index % kSegmentSlots];
    return slot.handle.load(std::memory_order_acquire) == handle ? &slot.object : nullptr;
  }

  void Retire(Handle handle) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (Find(handle) != nullptr) {
      RetireLocked(IndexOf(handle));
    }
  }

  // Retires every object that `ends` says true for.
  template <typename Ends>
  void RetireIf(Ends&& ends) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (uint32_t index = 0; index < used_; ++index) {
      Slot& slot = SlotAt(index);
      if (slot.handle.load(std::memory_order_relaxed) != kNobody && ends(slot.object)) {
        RetireLocked(index);
      }
    }
  }

  // Calls `visit` with every live handle and object.
  template <typename Visit>
  void ForEach(Visit&& visit) {
    std::lock_guard<std::mutex> lock(mutex_);
    for (uint32_t index = 0; index < used_; ++index) {
      Slot& slot = SlotAt(index);
      const Handle handle = slot.handle.load(std::memory_order_relaxed);
      if (handle != kNobody) {
        visit(handle, slot.object);
      }
    }
  }

 private:
  static constexpr uint32_t kSegmentSlots = 1024;
  // Of a slot without a living object: the index is none that is looked for.
  static constexpr Handle kNobody = ~Handle{0};

  struct Slot {
    std::atomic<Handle> handle{kNobody};  // whole, so that one comparison says all
    uint32_t last_generation = 0;         // of this server's
    T object{};
  };

  Slot& SlotAt(uint32_t index) {
    return segments_[index / kSegmentSlots].load(std::memory_order_relaxed)[index % kSegmentSlots];
  }

  void RetireLocked(uint32_t index) {
    Slot& slot = SlotAt(index);
    slot.handle.store(kNobody, std::memory_order_release);
    // The object itself stays until its place is used again: a reader may still be looking at it. A
    // place whose generations are used up is never given out again.
    if (slot.last_generation < kServerGenerations - 1) {
      free_.push_back(index);
    }
  }

  const HandleKind kind_;
  const uint32_t first_generation_;
  std::atomic<Slot*> segments_[kHandleIndexMax / kSegmentSlots] = {};
  std::mutex mutex_;  // not Guarded: readers look at the slots without it
  std::vector<uint32_t> free_;
  uint32_t used_ = 0;
};

}  // namespace farlane::wire
