// SPDX-License-Identifier: Apache-2.0
// ContextStorage keeps one value per (context, key) for the closed libraries, as a thread-local
// keeps one per thread: the runtime reads it on nearly every call. A reader takes no lock.
// Destructors run outside any lock and may call back in.
#pragma once

#include <atomic>
#include <cstdint>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::abi {

using ContextDestructor = void (*)(CUcontext context, void* key, void* value);

// Entries live in a table with linear probing. Writers move entries about between two steps of
// version_; a reader that saw an odd or a changed version reads again.
// Thread: any; reads are lock-free while nobody writes, writes are guarded.
class ContextStorage {
 public:
  constexpr ContextStorage() = default;
  ~ContextStorage();

  ContextStorage(const ContextStorage&) = delete;
  ContextStorage& operator=(const ContextStorage&) = delete;

  // Sets the value, replacing an earlier one without running its destructor (which may be null).
  CUresult Put(CUcontext context, void* key, void* value, ContextDestructor destructor);
  // INVALID_HANDLE where nothing was put.
  CUresult Get(CUcontext context, void* key, void** value) const;
  // Forgets the value without running its destructor.
  CUresult Erase(CUcontext context, void* key);
  // Runs the destructors of a context in the order of their Put, then forgets what is left. The
  // caller has made sure that others put nothing more there, and holds no lock.
  void Destroy(CUcontext context);

 private:
  struct Slot {
    std::atomic<CUcontext> context{nullptr};  // null: the slot is free
    std::atomic<void*> key{nullptr};
    std::atomic<void*> value{nullptr};
    std::atomic<ContextDestructor> destructor{nullptr};
    std::atomic<uint64_t> order{0};
  };

  struct Entry {
    CUcontext context = nullptr;
    void* key = nullptr;
    void* value = nullptr;
    ContextDestructor destructor = nullptr;
    uint64_t order = 0;
  };

  struct Table {
    uint64_t slot_count = 0;  // a power of two
    Slot* slots = nullptr;
    Table* outgrown = nullptr;  // kept until the end, as a reader may still be looking at it
  };

  struct Writer {
    uint64_t entry_count = 0;
    uint64_t next_order = 0;
  };

  static constexpr uint64_t kNotFound = ~uint64_t{0};
  static constexpr uint64_t kFirstSlots = 128;

  static uint64_t HomeSlot(CUcontext context, void* key, uint64_t slot_count);
  static Entry Read(const Slot& slot);
  static void Write(Slot* slot, const Entry& entry);
  static uint64_t Find(const Table& table, CUcontext context, void* key);
  static void Insert(Table* table, const Entry& entry);

  // These need the writer's lock.
  Table* CurrentTable() { return table_.load(std::memory_order_relaxed); }

  void BeginChange();
  void EndChange();
  bool Grow();
  void Remove(Writer* writer, uint64_t index);
  // Removes the context's earliest entry from before `order_end` and hands it out.
  bool TakeEarliest(Writer* writer, CUcontext context, uint64_t order_end, Entry* entry);

  Slot first_slots_[kFirstSlots];
  Table first_table_{kFirstSlots, first_slots_, nullptr};
  std::atomic<Table*> table_{&first_table_};
  std::atomic<uint64_t> version_{0};
  mutable Guarded<Writer> writer_;
};

// The one that the private tables and the contexts of this process share.
ContextStorage& ProcessContextStorage();

// Every libcuda of ours calls it when a context is destroyed or reset, after ContextAlive has begun
// to answer false and without holding a lock.
void DestroyContextStorage(CUcontext context);

}  // namespace farlane::abi
