// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/context_storage.h"

#include <bit>
#include <new>

namespace farlane::abi {
namespace {

// A destructor may put new values, whose destructors run in turn: as often as pthread keys do it.
constexpr int kDestroyRounds = 4;
// After so many disturbed reads a reader waits for the writer, who may be off the processor.
constexpr int kReadAttempts = 64;

// Never destroyed: exit handlers of closed libraries still use what it holds.
union Everlasting {
  constexpr Everlasting() : storage() {}

  ~Everlasting() {}

  ContextStorage storage;
};

constinit Everlasting process_storage;

}  // namespace

ContextStorage::~ContextStorage() {
  Table* table = CurrentTable();
  while (table != &first_table_) {
    Table* outgrown = table->outgrown;
    delete[] table->slots;
    delete table;
    table = outgrown;
  }
}

CUresult ContextStorage::Put(CUcontext context,
                             void* key,
                             void* value,
                             ContextDestructor destructor) {
  return writer_.With([&](Writer& writer) {
    const Entry entry{context, key, value, destructor, writer.next_order++};
    const uint64_t known = Find(*CurrentTable(), context, key);
    if (known != kNotFound) {
      BeginChange();
      Write(&CurrentTable()->slots[known], entry);
      EndChange();
      return CUDA_SUCCESS;
    }
    if (2 * (writer.entry_count + 1) > CurrentTable()->slot_count && !Grow()) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    BeginChange();
    Insert(CurrentTable(), entry);
    EndChange();
    ++writer.entry_count;
    return CUDA_SUCCESS;
  });
}

CUresult ContextStorage::Get(CUcontext context, void* key, void** value) const {
  const auto look = [&] {
    const Table& table = *table_.load(std::memory_order_acquire);
    const uint64_t index = Find(table, context, key);
    if (index == kNotFound) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    *value = table.slots[index].value.load(std::memory_order_acquire);
    return CUDA_SUCCESS;
  };
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    const uint64_t before = version_.load(std::memory_order_acquire);
    if (before % 2 != 0) {
      continue;
    }
    const CUresult result = look();
    // The loads above acquire: had they seen a later change, this would see its odd version.
    if (version_.load(std::memory_order_relaxed) == before) {
      return result;
    }
  }
  return writer_.With([&](Writer&) { return look(); });
}

CUresult ContextStorage::Erase(CUcontext context, void* key) {
  return writer_.With([&](Writer& writer) {
    const uint64_t index = Find(*CurrentTable(), context, key);
    if (index == kNotFound) {
      return CUDA_ERROR_INVALID_HANDLE;
    }
    Remove(&writer, index);
    return CUDA_SUCCESS;
  });
}

void ContextStorage::Destroy(CUcontext context) {
  Entry entry;
  const auto take = [&](uint64_t order_end) {
    return writer_.With([&](Writer& w) { return TakeEarliest(&w, context, order_end, &entry); });
  };
  for (int round = 0; round < kDestroyRounds; ++round) {
    const uint64_t order_end = writer_.With([](Writer& writer) { return writer.next_order; });
    while (take(order_end)) {
      if (entry.destructor != nullptr) {
        entry.destructor(entry.context, entry.key, entry.value);
      }
    }
  }
  while (take(kNotFound)) {
  }
}

uint64_t ContextStorage::HomeSlot(CUcontext context, void* key, uint64_t slot_count) {
  // Handles and keys are addresses or small numbers; the multiplication spreads both.
  const uint64_t mixed =
      (std::bit_cast<uint64_t>(context) ^ std::rotl(std::bit_cast<uint64_t>(key), 32)) *
      0x9e3779b97f4a7c15;
  return (mixed >> 32) & (slot_count - 1);
}

ContextStorage::Entry ContextStorage::Read(const Slot& slot) {
  return {slot.context.load(std::memory_order_acquire), slot.key.load(std::memory_order_acquire),
          slot.value.load(std::memory_order_acquire),
          slot.destructor.load(std::memory_order_acquire),
          slot.order.load(std::memory_order_acquire)};
}

void ContextStorage::Write(Slot* slot, const Entry& entry) {
  slot->context.store(entry.context, std::memory_order_release);
  slot->key.store(entry.key, std::memory_order_release);
  slot->value.store(entry.value, std::memory_order_release);
  slot->destructor.store(entry.destructor, std::memory_order_release);
  slot->order.store(entry.order, std::memory_order_release);
}

uint64_t ContextStorage::Find(const Table& table, CUcontext context, void* key) {
  uint64_t index = HomeSlot(context, key, table.slot_count);
  // Bounded: a reader may meet a table that is being changed and has no free slot in sight.
  for (uint64_t step = 0; step < table.slot_count; ++step) {
    const CUcontext there = table.slots[index].context.load(std::memory_order_acquire);
    if (there == nullptr) {
      return kNotFound;
    }
    if (there == context && table.slots[index].key.load(std::memory_order_acquire) == key) {
      return index;
    }
    index = (index + 1) & (table.slot_count - 1);
  }
  return kNotFound;
}

void ContextStorage::Insert(Table* table, const Entry& entry) {
  uint64_t index = HomeSlot(entry.context, entry.key, table->slot_count);
  while (table->slots[index].context.load(std::memory_order_relaxed) != nullptr) {
    index = (index + 1) & (table->slot_count - 1);
  }
  Write(&table->slots[index], entry);
}

void ContextStorage::BeginChange() {
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void ContextStorage::EndChange() {
  version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

bool ContextStorage::Grow() {
  Table* old = CurrentTable();
  const uint64_t slot_count = 2 * old->slot_count;
  Slot* slots = new (std::nothrow) Slot[slot_count];
  Table* grown = new (std::nothrow) Table{slot_count, slots, old};
  if (slots == nullptr || grown == nullptr) {
    delete[] slots;
    delete grown;
    return false;
  }
  for (uint64_t i = 0; i < old->slot_count; ++i) {
    const Entry entry = Read(old->slots[i]);
    if (entry.context != nullptr) {
      Insert(grown, entry);
    }
  }
  BeginChange();
  table_.store(grown, std::memory_order_release);
  EndChange();
  return true;
}

void ContextStorage::Remove(Writer* writer, uint64_t index) {
  Table& table = *CurrentTable();
  const uint64_t mask = table.slot_count - 1;
  BeginChange();
  // Closes the gap: an entry that was pushed past it moves back, so that no search ends too early.
  uint64_t gap = index;
  for (uint64_t i = (gap + 1) & mask;; i = (i + 1) & mask) {
    const Entry entry = Read(table.slots[i]);
    if (entry.context == nullptr) {
      break;
    }
    const uint64_t pushed = (i - HomeSlot(entry.context, entry.key, table.slot_count)) & mask;
    if (pushed >= ((i - gap) & mask)) {
      Write(&table.slots[gap], entry);
      gap = i;
    }
  }
  Write(&table.slots[gap], {});
  EndChange();
  --writer->entry_count;
}

bool ContextStorage::TakeEarliest(Writer* writer,
                                  CUcontext context,
                                  uint64_t order_end,
                                  Entry* entry) {
  const Table& table = *CurrentTable();
  uint64_t earliest = kNotFound;
  uint64_t earliest_order = order_end;
  for (uint64_t i = 0; i < table.slot_count; ++i) {
    const Slot& slot = table.slots[i];
    const uint64_t order = slot.order.load(std::memory_order_relaxed);
    if (slot.context.load(std::memory_order_relaxed) == context && order < earliest_order) {
      earliest = i;
      earliest_order = order;
    }
  }
  if (earliest == kNotFound) {
    return false;
  }
  *entry = Read(table.slots[earliest]);
  Remove(writer, earliest);
  return true;
}

ContextStorage& ProcessContextStorage() {
  return process_storage.storage;
}

void DestroyContextStorage(CUcontext context) {
  process_storage.storage.Destroy(context);
}

}  // namespace farlane::abi
