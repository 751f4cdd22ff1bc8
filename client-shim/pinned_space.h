// SPDX-License-Identifier: Apache-2.0
// PinnedSpace gives out addresses for pinned memory that the device can have as well, so that a
// kernel may use such memory by the program's own address. There is nothing behind them on the
// device, and they cost nothing, until a kernel is given one.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>

#include "client-shim/arena.h"
#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded. Asks VirtualMemory for its addresses while it holds its lock, once.
class PinnedSpace {
 public:
  explicit PinnedSpace(Session& session) : session_(session) {}

  // Whole chunks of addresses; none where there are no more, which is no reason to fail.
  std::optional<AddressRange> Take(uint64_t bytes);
  void Return(AddressRange range);

  bool Contains(uint64_t address) const {
    const uint64_t bytes = bytes_.load(std::memory_order_acquire);
    return address - address_.load(std::memory_order_relaxed) < bytes;
  }

  // Whether memory was ever pinned at addresses in here.
  bool any() const { return bytes_.load(std::memory_order_relaxed) != 0; }

  // Whether any word of a kernel's parameters is an address in here.
  bool IsNamedIn(ConstBytes parameters) const {
    bool named = false;
    ForEachNamed(parameters, [&named](uint64_t) { named = true; });
    return named;
  }

  // Calls `use` with each such word.
  template <typename Use>
  void ForEachNamed(ConstBytes parameters, Use&& use) const {
    const uint64_t bytes = bytes_.load(std::memory_order_acquire);
    const uint64_t address = address_.load(std::memory_order_relaxed);
    for (size_t at = 0; at + sizeof(uint64_t) <= parameters.size(); at += sizeof(uint64_t)) {
      uint64_t word = 0;
      memcpy(&word, parameters.data() + at, sizeof word);
      if (word - address < bytes) [[unlikely]] {
        use(word);
      }
    }
  }

 private:
  struct Books {
    bool tried = false;
    Arena arena;
  };

  void Begin(Books* books);

  Session& session_;
  std::atomic<uint64_t> address_{0};
  std::atomic<uint64_t> bytes_{0};  // 0: nothing was pinned yet, or there are no addresses
  Guarded<Books> books_;
};

}  // namespace farlane::shim
