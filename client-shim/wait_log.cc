// SPDX-License-Identifier: Apache-2.0
#include "client-shim/wait_log.h"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace farlane::shim {

void WaitLog::Add(wire::Op op, uint64_t ns) {
  Place& place = places_[std::min(static_cast<size_t>(op), kPlaces - 1)];
  place.count.fetch_add(1, std::memory_order_relaxed);
  place.ns.fetch_add(ns, std::memory_order_relaxed);
}

void WaitLog::Print() const {
  if (!wanted_) {
    return;
  }
  std::vector<size_t> used;
  for (size_t i = 0; i < kPlaces; ++i) {
    if (places_[i].count.load(std::memory_order_relaxed) != 0) {
      used.push_back(i);
    }
  }
  std::sort(used.begin(), used.end(), [this](size_t a, size_t b) {
    return places_[a].ns.load(std::memory_order_relaxed) >
           places_[b].ns.load(std::memory_order_relaxed);
  });
  for (const size_t i : used) {
    const uint64_t count = places_[i].count.load(std::memory_order_relaxed);
    const uint64_t ns = places_[i].ns.load(std::memory_order_relaxed);
    fprintf(stderr, "farlane: waits for %s: %llu, %.3f ms in all, %.1f us each\n",
            wire::OpName(static_cast<uint16_t>(i)), static_cast<unsigned long long>(count),
            static_cast<double>(ns) * 1e-6,
            static_cast<double>(ns) * 1e-3 / static_cast<double>(count));
  }
}

}  // namespace farlane::shim
