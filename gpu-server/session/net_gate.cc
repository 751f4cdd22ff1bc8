// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/net_gate.h"

#include <algorithm>
#include <utility>

namespace farlane::server {
namespace {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

constexpr uint64_t kSecondNs = 1'000'000'000;

uint64_t In(uint64_t span_ns, uint64_t rate) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(rate) * span_ns / kSecondNs);
}

uint64_t TimeFor(uint64_t bytes, uint64_t rate) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(bytes) * kSecondNs / rate) + 1;
}

uint64_t PieceOf(uint64_t rate) {
  return std::clamp(In(NetGate::kPieceNs, rate), NetGate::kPieceBytesMin, NetGate::kPieceBytesMax);
}

}  // namespace

void NetGate::Attach(TurnMemory grants, TurnMemory uses) {
  auto pages = std::make_unique<Pages>(Pages{.grants = std::move(grants), .uses = std::move(uses)});
  kept_.With([&](auto& kept) {
    kept.push_back(std::move(pages));
    pages_.store(kept.back().get(), memory_order_release);
  });
}

void NetGate::Detach() {
  pages_.store(nullptr, memory_order_release);
}

bool NetGate::has_rate(NetDirection direction) const {
  const Pages* const pages = pages_.load(memory_order_acquire);
  return pages != nullptr &&
         pages->grants.net_grant().rates[Index(direction)].load(memory_order_relaxed) != kNoRate;
}

void NetGate::Fill(Bucket* bucket, uint64_t rate, uint64_t now_ns) {
  const auto burst = static_cast<int64_t>(std::max(In(kBurstNs, rate), kBurstBytesMin));
  const uint64_t passed_ns = now_ns > bucket->filled_ns ? now_ns - bucket->filled_ns : 0;
  // In a second every bucket is full.
  const auto more = static_cast<int64_t>(In(std::min(passed_ns, kSecondNs), rate));
  bucket->tokens = std::min(bucket->tokens + more, burst);
  bucket->filled_ns = now_ns;
}

size_t NetGate::Allow(NetDirection direction, size_t wanted, uint64_t now_ns) {
  Bucket& bucket = buckets_[Index(direction)];
  Pages* const pages = pages_.load(memory_order_acquire);
  const uint64_t told =
      pages == nullptr
          ? kNoRate
          : pages->grants.net_grant().rates[Index(direction)].load(memory_order_relaxed);
  if (told == kNoRate) {
    bucket.blocked_until_ns.store(0, memory_order_relaxed);
    return wanted;
  }
  const uint64_t rate = std::max(told, kNetRateMin);
  Fill(&bucket, rate, now_ns);
  if (bucket.tokens > 0) {
    bucket.blocked_until_ns.store(0, memory_order_relaxed);
    return std::min(wanted, std::max(static_cast<size_t>(bucket.tokens), PieceOf(rate)));
  }
  // Not for a few bytes: whoever waits for them wakes up for nothing else.
  const uint64_t missing = static_cast<uint64_t>(-bucket.tokens) + PieceOf(rate) / 2;
  bucket.blocked_until_ns.store(now_ns + std::min(TimeFor(missing, rate), kLookAgainNs),
                                memory_order_relaxed);
  std::atomic<uint64_t>& stops = pages->uses.net_use().stops[Index(direction)];
  stops.store(stops.load(memory_order_relaxed) + 1, memory_order_relaxed);
  return 0;
}

void NetGate::NoteMoved(NetDirection direction, size_t bytes) {
  Pages* const pages = pages_.load(memory_order_acquire);
  if (pages == nullptr || bytes == 0) {
    return;
  }
  const std::atomic<uint64_t>& rate = pages->grants.net_grant().rates[Index(direction)];
  if (rate.load(memory_order_relaxed) != kNoRate) {
    buckets_[Index(direction)].tokens -= static_cast<int64_t>(bytes);
  }
  std::atomic<uint64_t>& all = pages->uses.net_use().bytes[Index(direction)];
  all.store(all.load(memory_order_relaxed) + bytes, memory_order_relaxed);
}

void NetGate::NoteTalk(uint64_t trips, uint64_t rtt_ns, uint64_t bytes) {
  if (Pages* const pages = pages_.load(memory_order_acquire)) {
    NetUseSlot& use = pages->uses.net_use();
    use.trips.store(trips, memory_order_relaxed);
    use.rtt_ns.store(rtt_ns, memory_order_relaxed);
    use.talked.store(bytes, memory_order_relaxed);
  }
}

void NetGate::NoteBusy(uint64_t busy_ns) {
  if (Pages* const pages = pages_.load(memory_order_acquire)) {
    pages->uses.net_use().busy_ns.store(busy_ns, memory_order_relaxed);
  }
}

}  // namespace farlane::server
