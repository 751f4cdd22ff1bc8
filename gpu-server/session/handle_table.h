// SPDX-License-Identifier: Apache-2.0
// HandleTable maps handles that a client gave out to what they stand for here. A handle that was
// never bound, or whose object is gone, is not found; nothing is ever dereferenced to learn that.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/wire/handle.h"
#include "protocol/wire/wire_error.h"

namespace farlane::server {

// Thread: one at a time (the dispatch thread).
template <typename Value>
class HandleTable {
 public:
  explicit HandleTable(wire::HandleKind kind) : kind_(kind) {}

  // Whether the client may give this handle to something new: of the right kind, in range, not in
  // use.
  wire::WireError CheckNew(wire::Handle handle) const {
    if (wire::KindOf(handle) != kind_ || wire::IndexOf(handle) >= wire::kHandleIndexMax ||
        wire::GenerationOf(handle) == 0) {
      return wire::WireError::kBadReference;
    }
    const Slot* slot = SlotOrNull(handle);
    return slot != nullptr && slot->value.has_value() ? wire::WireError::kBadReference
                                                      : wire::WireError::kNone;
  }

  // To be called with a handle that CheckNew has passed.
  void Bind(wire::Handle handle, Value value) {
    const uint32_t page = wire::IndexOf(handle) / kPageSlots;
    if (page >= pages_.size()) {
      pages_.resize(page + 1);
    }
    if (pages_[page] == nullptr) {
      pages_[page] = std::make_unique<Page>();
    }
    Slot& slot = (*pages_[page])[wire::IndexOf(handle) % kPageSlots];
    slot.handle = handle;
    slot.value = std::move(value);
  }

  Value* Find(wire::Handle handle) {
    Slot* slot = SlotOrNull(handle);
    return slot != nullptr && slot->handle == handle && slot->value.has_value() ? &*slot->value
                                                                                : nullptr;
  }

  bool Take(wire::Handle handle, Value* value) {
    Value* found = Find(handle);
    if (found == nullptr) {
      return false;
    }
    *value = std::move(*found);
    SlotOrNull(handle)->value.reset();
    return true;
  }

  // Forgets everything that `dead` says is gone.
  template <typename Dead>
  void EraseIf(Dead&& dead) {
    for (auto& page : pages_) {
      for (size_t i = 0; page != nullptr && i < kPageSlots; ++i) {
        std::optional<Value>& value = (*page)[i].value;
        if (value.has_value() && dead(*value)) {
          value.reset();
        }
      }
    }
  }

  template <typename Visit>
  void ForEach(Visit&& visit) {
    EraseIf([&visit](Value& value) {
      visit(value);
      return false;
    });
  }

 private:
  // Pages, so that one high index does not cost memory for all below it.
  static constexpr uint32_t kPageSlots = 256;

  struct Slot {
    wire::Handle handle = 0;
    std::optional<Value> value;
  };

  using Page = std::array<Slot, kPageSlots>;

  const Slot* SlotOrNull(wire::Handle handle) const {
    const uint32_t page = wire::IndexOf(handle) / kPageSlots;
    if (page >= pages_.size() || pages_[page] == nullptr) {
      return nullptr;
    }
    return &(*pages_[page])[wire::IndexOf(handle) % kPageSlots];
  }

  Slot* SlotOrNull(wire::Handle handle) {
    return const_cast<Slot*>(std::as_const(*this).SlotOrNull(handle));
  }

  const wire::HandleKind kind_;
  std::vector<std::unique_ptr<Page>> pages_;
};

}  // namespace farlane::server
