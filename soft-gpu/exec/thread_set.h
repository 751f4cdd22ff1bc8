// SPDX-License-Identifier: Apache-2.0
// ThreadSet is a set of a block's threads, made for going from one member to the next.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "soft-gpu/exec/warp_value.h"

namespace farlane::soft {

constexpr uint32_t kBlockThreadsMax = 1024;

// Thread: the worker that owns it.
class ThreadSet {
 public:
  void Clear() { words_.fill(0); }

  void Add(uint32_t thread) { words_[thread / 64] |= uint64_t{1} << thread % 64; }

  void Remove(uint32_t thread) { words_[thread / 64] &= ~(uint64_t{1} << thread % 64); }

  // Lanes of one warp.
  void AddWarp(uint32_t warp, uint32_t lanes) {
    words_[warp / 2] |= uint64_t{lanes} << warp % 2 * kWarpThreads;
  }

  void AddAll(const ThreadSet& other);

  // The first member after `thread`, going round; kBlockThreadsMax if the set is empty.
  uint32_t NextAfter(uint32_t thread) const {
    // Nearly always a neighbour.
    const uint64_t behind = words_[thread / 64] >> thread % 64 >> 1;
    return behind != 0 ? thread + 1 + static_cast<uint32_t>(std::countr_zero(behind))
                       : NextFromWord(thread / 64 + 1);
  }

  // Calls visit(thread) for each member.
  template <typename F>
  void ForEach(F&& visit) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      for (uint64_t left = words_[i]; left != 0; left &= left - 1) {
        visit(static_cast<uint32_t>(i * 64 + static_cast<size_t>(std::countr_zero(left))));
      }
    }
  }

  // The members among a warp's threads, by lane.
  uint32_t LanesOf(uint32_t warp) const {
    return static_cast<uint32_t>(words_[warp / 2] >> warp % 2 * kWarpThreads);
  }

  bool Contains(uint32_t thread) const { return (words_[thread / 64] >> thread % 64 & 1) != 0; }

 private:
  // The first member from a word on, going round.
  uint32_t NextFromWord(uint32_t word) const;

  std::array<uint64_t, kBlockThreadsMax / 64> words_{};
};

}  // namespace farlane::soft
