// SPDX-License-Identifier: Apache-2.0
// NetGate is the worker's side of the network's shares: it keeps what is read and written within
// the rates that the daemon has written into a page, and says there what was moved. It sends no
// message. Where no rate is given it costs two looks at memory per read or write.
//
// Data is counted where the connection is read and written, so what a client may send follows by
// itself: what is not read fills the connection's buffers, and the client waits.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "gpu-server/arbiter/net_shares.h"
#include "gpu-server/arbiter/turn_page.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any, guarded; Allow and NoteMoved: one at a time for each direction.
class NetGate {
 public:
  // What may be saved up: as much as a machine may let a process wait.
  static constexpr uint64_t kBurstNs = 40'000'000;
  static constexpr uint64_t kBurstBytesMin = 256 << 10;
  // What is moved at once when there is a little to be moved, between these.
  static constexpr uint64_t kPieceNs = 5'000'000;
  static constexpr uint64_t kPieceBytesMin = 16 << 10;
  static constexpr uint64_t kPieceBytesMax = 256 << 10;
  // After so long the rate may be another one.
  static constexpr uint64_t kLookAgainNs = 20'000'000;

  // The daemon's pages have come, or there is no daemon any more: then nothing is held back.
  void Attach(TurnMemory grants, TurnMemory uses);
  void Detach();

  // How much of `wanted` may be moved now; 0: nothing before BlockedUntil.
  size_t Allow(NetDirection direction, size_t wanted, uint64_t now_ns);
  void NoteMoved(NetDirection direction, size_t bytes);

  // What the client is like, in all; for whoever wants to know where it would run best.
  void NoteTalk(uint64_t trips, uint64_t rtt_ns, uint64_t bytes);
  void NoteBusy(uint64_t busy_ns);

  // Whether anybody is to be asked at all.
  bool has_rate(NetDirection direction) const;

  // 0: it is not.
  uint64_t BlockedUntil(NetDirection direction) const {
    return buckets_[Index(direction)].blocked_until_ns.load(std::memory_order_relaxed);
  }

 private:
  struct Pages {
    TurnMemory grants;
    TurnMemory uses;
  };

  struct Bucket {
    int64_t tokens = 0;  // less than nothing: more was moved than there was
    uint64_t filled_ns = 0;
    std::atomic<uint64_t> blocked_until_ns{0};
  };

  static size_t Index(NetDirection direction) { return static_cast<size_t>(direction); }

  static void Fill(Bucket* bucket, uint64_t rate, uint64_t now_ns);

  std::array<Bucket, kNetDirections> buckets_;
  std::atomic<Pages*> pages_{nullptr};
  // Former ones stay: another thread may be looking at them. There is one for each daemon.
  Guarded<std::vector<std::unique_ptr<Pages>>> kept_;
};

}  // namespace farlane::server
