// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/texture_table.h"

namespace farlane::soft {

TextureTable& TextureTable::Get() {
  static auto* const table = new TextureTable();  // never destroyed: grids may run to the very end
  return *table;
}

TextureTable::Slot* TextureTable::SlotOrNull(uint64_t number) const {
  const auto index = static_cast<uint32_t>(number & ((1u << kIndexBits) - 1));
  Slot* const page = pages_[index / kSlotsPerPage].load(std::memory_order_acquire);
  return page == nullptr ? nullptr : &page[index % kSlotsPerPage];
}

uint64_t TextureTable::Add(const Texture& texture) {
  return places_.With([&](Places& places) -> uint64_t {
    uint32_t index = 0;
    if (!places.free.empty()) {
      index = places.free.back();
      places.free.pop_back();
    } else if (places.used < kPages * kSlotsPerPage) {
      index = places.used++;
    } else {
      return 0;
    }
    if (index % kSlotsPerPage == 0 && index / kSlotsPerPage == places.pages.size()) {
      places.pages.push_back(std::make_unique<Slot[]>(kSlotsPerPage));
      pages_[index / kSlotsPerPage].store(places.pages.back().get(), std::memory_order_release);
    }
    Slot& slot = places.pages[index / kSlotsPerPage][index % kSlotsPerPage];
    slot.texture = texture;
    const uint64_t number = ++slot.generation << kIndexBits | index;
    slot.number.store(number, std::memory_order_release);
    return number;
  });
}

bool TextureTable::Remove(uint64_t number) {
  return places_.With([&](Places& places) {
    Slot* const slot = SlotOrNull(number);
    if (number == 0 || slot == nullptr || slot->number.load(std::memory_order_relaxed) != number) {
      return false;
    }
    slot->number.store(0, std::memory_order_release);
    places.free.push_back(static_cast<uint32_t>(number & ((1u << kIndexBits) - 1)));
    return true;
  });
}

const Texture* TextureTable::Find(uint64_t number) const {
  const Slot* const slot = SlotOrNull(number);
  return number != 0 && slot != nullptr && slot->number.load(std::memory_order_acquire) == number
             ? &slot->texture
             : nullptr;
}

}  // namespace farlane::soft
