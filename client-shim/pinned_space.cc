// SPDX-License-Identifier: Apache-2.0
#include "client-shim/pinned_space.h"

#include "client-shim/current_context.h"
#include "client-shim/session.h"

namespace farlane::shim {
namespace {

// Of a device's addresses, which are eight times its memory: more than that memory could not be
// behind them anyway.
constexpr uint64_t kShare = 8;

}  // namespace

void PinnedSpace::Begin(Books* books) {
  books->tried = true;
  const Context* current = session_.objects().contexts.Find(ThreadState::Mine().current());
  const int32_t device = current == nullptr ? session_.first_device() : current->device;
  const uint64_t bytes =
      RoundDown(session_.device(device).arena_bytes / kShare, Arena::kChunkBytes);
  uint64_t address = 0;
  if (bytes == 0 || session_.virtual_memory().Reserve(bytes, 0, 0, &address) != CUDA_SUCCESS ||
      !books->arena.AddSpace(address, bytes)) {
    return;  // then pinned memory lies anywhere
  }
  address_.store(address, std::memory_order_relaxed);
  bytes_.store(bytes, std::memory_order_release);
}

std::optional<AddressRange> PinnedSpace::Take(uint64_t bytes) {
  const uint64_t whole = RoundUp(bytes, Arena::kChunkBytes);
  return books_.With([&](Books& books) -> std::optional<AddressRange> {
    if (!books.tried) {
      Begin(&books);
    }
    const std::optional<uint64_t> address = books.arena.Reserve(whole, 0, 0);
    return address.has_value() ? std::optional(AddressRange{.address = *address, .bytes = whole})
                               : std::nullopt;
  });
}

void PinnedSpace::Return(AddressRange range) {
  books_.With([range](Books& books) { books.arena.Unreserve(range); });
}

}  // namespace farlane::shim
