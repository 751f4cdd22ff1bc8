// SPDX-License-Identifier: Apache-2.0
// HandleTable gives objects the opaque handles that programs hold. A handle is a number that was
// never used before, so a stale or invented one is found out by looking it up; none is ever used as
// a pointer.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "protocol/base/guarded.h"

namespace farlane::soft {

// Part of every handle, so that a handle of one kind is never valid as another.
enum class HandleKind : uint64_t {
  kContext = 1,
  kStream,
  kEvent,
  kModule,
  kLibrary,
  kFunction,
  kPhysical,
  kPool,
  kLink,
  kGraphExec,
  kArray,
  kReference,
  kDescription
};

// T's are shared by the table and by whoever found one and is still using it.
// Thread: any, guarded.
template <typename T>
class HandleTable {
 public:
  explicit HandleTable(HandleKind kind) : kind_(kind) {}

  // A handle that means nothing until Set.
  uint64_t Mint() {
    return table_.With(
        [&](Table& table) { return static_cast<uint64_t>(kind_) << 40 | ++table.minted << 4; });
  }

  void Set(uint64_t handle, std::shared_ptr<T> object) {
    table_.With([&](Table& table) { table.objects[handle] = std::move(object); });
  }

  // Null if the handle means nothing.
  std::shared_ptr<T> Find(uint64_t handle) const {
    return table_.With([&](const Table& table) -> std::shared_ptr<T> {
      const auto found = table.objects.find(handle);
      return found == table.objects.end() ? nullptr : found->second;
    });
  }

  // As Find; afterwards the handle means nothing. Of two threads one gets the object.
  std::shared_ptr<T> Take(uint64_t handle) {
    return table_.With([&](Table& table) -> std::shared_ptr<T> {
      const auto found = table.objects.find(handle);
      if (found == table.objects.end()) {
        return nullptr;
      }
      std::shared_ptr<T> object = std::move(found->second);
      table.objects.erase(found);
      return object;
    });
  }

  // Takes every object that `ends` says true for.
  template <typename Ends>
  void TakeIf(Ends&& ends) {
    table_.With([&](Table& table) {
      std::erase_if(table.objects, [&](const auto& entry) { return ends(*entry.second); });
    });
  }

  std::vector<std::shared_ptr<T>> All() const {
    return table_.With([](const Table& table) {
      std::vector<std::shared_ptr<T>> all;
      all.reserve(table.objects.size());
      for (const auto& [handle, object] : table.objects) {
        all.push_back(object);
      }
      return all;
    });
  }

 private:
  struct Table {
    uint64_t minted = 0;
    std::unordered_map<uint64_t, std::shared_ptr<T>> objects;
  };

  HandleKind kind_;
  Guarded<Table> table_;
};

template <typename Handle>
uint64_t HandleNumber(Handle* handle) {
  return reinterpret_cast<uint64_t>(handle);
}

template <typename Handle>
Handle AsHandle(uint64_t number) {
  return reinterpret_cast<Handle>(number);
}

}  // namespace farlane::soft
