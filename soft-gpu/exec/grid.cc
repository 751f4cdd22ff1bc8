// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/grid.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "soft-gpu/exec/fault_guard.h"

namespace farlane::soft {
namespace {

constexpr std::chrono::milliseconds kInterruptPause{1};
constexpr uint64_t kChunkBlocksMax = 16;
constexpr uint64_t kChunksWanted = 256;  // enough that no worker is left with a long last one

uint64_t NextGridId() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

uint64_t Count(const LaunchShape& shape) {
  return uint64_t{shape.grid[0]} * shape.grid[1] * shape.grid[2];
}

}  // namespace

Grid::Grid(const KernelCode& code,
           const LaunchShape& shape,
           std::span<const std::byte> parameters,
           uint64_t workspace)
    : code_(code),
      shape_(shape),
      parameters_(parameters),
      workspace_(workspace),
      grid_id_(NextGridId()),
      blocks_count_(Count(shape)),
      chunk_(shape.cooperative
                 ? 1  // a second block could not start before the first has ended
                 : std::clamp<uint64_t>(blocks_count_ / kChunksWanted, 1, kChunkBlocksMax)) {}

bool Grid::Take(uint64_t* first, uint64_t* end) {
  if (has_failed()) {
    return false;
  }
  *first = next_.fetch_add(chunk_, std::memory_order_relaxed);
  *end = std::min(*first + chunk_, blocks_count_);
  return *first < blocks_count_;
}

void Grid::Fail(LaunchOutcome outcome) {
  outcome_.With([&](LaunchOutcome& kept) {
    if (kept.fault == Fault::kNone) {
      kept = std::move(outcome);
    }
  });
  failed_.store(true, std::memory_order_relaxed);
}

void Grid::Stop(LaunchOutcome outcome) {
  Fail(std::move(outcome));
  Interrupt();
}

bool Grid::Interrupt() {
  return present_.With([](const std::vector<pthread_t>& present) {
    for (const pthread_t thread : present) {
      InterruptGuarded(thread);
    }
    return !present.empty();
  });
}

void Grid::AwaitLeaving() {
  while (Interrupt()) {
    std::this_thread::sleep_for(kInterruptPause);
  }
}

Grid::Presence::Presence(Grid& grid) : grid_(grid) {
  grid_.present_.With([](auto& present) { present.push_back(pthread_self()); });
}

Grid::Presence::~Presence() {
  grid_.present_.With([](auto& present) {
    std::erase_if(present, [](pthread_t one) { return pthread_equal(one, pthread_self()) != 0; });
  });
}

void Grid::Print(std::string text) {
  if (!text.empty()) {
    text_.With([&](std::string& all) { all += text; });
  }
}

std::string Grid::TakeText() {
  return text_.With([](std::string& all) { return std::exchange(all, {}); });
}

LaunchOutcome Grid::outcome() const {
  return outcome_.With([](const LaunchOutcome& kept) { return kept; });
}

}  // namespace farlane::soft
