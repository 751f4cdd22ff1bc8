// SPDX-License-Identifier: Apache-2.0
// Arena keeps the books of one device's addresses: which chunks are backed by memory, which parts
// of those the program holds, which addresses it reserved. Usually they are one range, reserved at
// the start; where that could not be had in both processes they are several smaller ones. It
// decides addresses and does nothing else; DeviceMemory carries its decisions out.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace farlane::shim {

struct AddressRange {
  uint64_t address = 0;
  uint64_t bytes = 0;
  uint64_t owner = 0;  // of an allocation: the context that it lives in

  bool operator==(const AddressRange&) const = default;
};

// Thread: caller's, guarded by DeviceMemory.
class Arena {
 public:
  // Memory is backed and taken away in whole chunks: the granularity of device memory mapping.
  static constexpr uint64_t kChunkBytes = 2ull << 20;
  // cuMemAlloc promises at least 256; what is smaller than 512 shares no cache line of any GPU.
  static constexpr uint64_t kAlignBytes = 512;

  // No more spaces than this: looking for an address goes through all of them.
  static constexpr size_t kSpacesMax = 64;

  Arena() = default;
  Arena(uint64_t address, uint64_t bytes);

  // More addresses. Of a space that touches another a chunk is left out between them, so that no
  // allocation lies in both. False: nothing of it can be used, or there are too many spaces.
  bool AddSpace(uint64_t address, uint64_t bytes);

  // Takes `bytes` out of memory that is backed and free; none if there is no gap of that size.
  // `align` is a power of two.
  std::optional<uint64_t> Take(uint64_t bytes, uint64_t owner = 0, uint64_t align = kAlignBytes);
  // Whether Take would find one.
  bool HasGap(uint64_t bytes) const;
  // Finds chunks without backing for `bytes`; none if the address range itself is used up.
  std::optional<AddressRange> FindUnbacked(uint64_t bytes) const;
  // The chunks of the range are backed now and free.
  void AddBacked(AddressRange range);
  // Keeps whole chunks of addresses for the program's own mappings; nothing is backed. From `hint`
  // on if those are free, else as far as possible from what is backed; `align` is a power of two.
  std::optional<uint64_t> Reserve(uint64_t bytes, uint64_t align, uint64_t hint);
  // Reserved addresses are like any others again.
  void Unreserve(AddressRange range);
  // Gives up whole free chunks, at most `bytes_max` of them: they are backed no more.
  std::vector<AddressRange> GiveUpFreeChunks(uint64_t bytes_max);

  // These chunks stay backed, whoever holds them: others use them.
  void Pin(AddressRange chunks);

  // The program holds the range from `address` on no longer, but it may not be taken yet.
  std::optional<AddressRange> Release(uint64_t address);
  // A released range may be taken again.
  void Recycle(AddressRange range);
  // What one owner holds is another's from now on.
  void HandOver(uint64_t from, uint64_t to);
  // Releases and recycles everything that an owner holds; the addresses.
  std::vector<uint64_t> RecycleAllOf(uint64_t owner);

  // The allocation that holds this address.
  std::optional<AddressRange> Find(uint64_t address) const;

  // Needs no guard: spaces are only added.
  bool Contains(uint64_t address) const {
    const size_t count = spaces_count_.load(std::memory_order_acquire);
    for (size_t i = 0; i < count; ++i) {
      if (address - spaces_[i].address < spaces_[i].bytes) {
        return true;
      }
    }
    return false;
  }

  // All spaces together.
  uint64_t bytes() const { return bytes_; }

  uint64_t backed_bytes() const { return backed_bytes_; }

  // What the program holds, with rounding; released ranges count until they are recycled.
  uint64_t held_bytes() const { return held_bytes_; }

 private:
  using Ranges = std::map<uint64_t, uint64_t>;  // address -> bytes, not touching each other

  void AddFree(AddressRange range);
  void RemoveFree(Ranges::iterator where);
  bool IsOccupied(AddressRange range) const;
  static void Merge(Ranges* ranges, AddressRange range);
  static void Cut(Ranges* ranges, AddressRange range);

  std::vector<AddressRange> RunsToGiveUp(uint64_t start, uint64_t end) const;

  struct Space {
    uint64_t address = 0;
    uint64_t bytes = 0;
  };

  std::optional<uint64_t> PlaceIn(const Space& space, uint64_t bytes, uint64_t align) const;
  std::optional<uint64_t> FindUnbackedIn(const Space& space, uint64_t bytes) const;

  Space spaces_[kSpacesMax];
  std::atomic<size_t> spaces_count_{0};
  uint64_t bytes_ = 0;
  uint64_t backed_bytes_ = 0;
  uint64_t held_bytes_ = 0;
  Ranges occupied_;            // backed, or reserved
  std::set<uint64_t> pinned_;  // chunks
  Ranges free_;
  std::set<std::pair<uint64_t, uint64_t>>
      free_by_size_;  // (bytes, address): the best fit is the first that is enough
  std::map<uint64_t, AddressRange> held_;  // by address
};

// Device addresses must mean nothing else in this process, so the server's range is reserved here
// as well. False: something lies there already.
bool ReserveAddresses(const AddressRange& range);

// Pages within such a range, which the program had, are only reserved again, and their content is
// gone.
void ReturnPages(uint64_t address, uint64_t bytes);

// How often the server is asked for other addresses before it is done without.
inline constexpr uint32_t kArenaAttemptsMax = 8;

}  // namespace farlane::shim
