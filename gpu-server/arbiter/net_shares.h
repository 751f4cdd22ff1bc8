// SPDX-License-Identifier: Apache-2.0
// NetShares says how fast each worker may move data over the network, so that the server's link is
// divided among the sessions by their weights, and a session's cap holds. It is told what workers
// have moved and whether they were stopped, and gives rates; all times are given: the same calls
// give the same rates.
//
// Each direction is divided by itself. Who was stopped could have done with more; who was not has
// what it wants, and a little more in case it wants more next. What is left of the link goes to
// those who were stopped, by weight. So nobody is held back while the link has room, and everybody
// who wants more than its part has its part. A session that is alone on the link is given no rate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "protocol/base/slice.h"

namespace farlane::server {

enum class NetDirection : uint8_t { kIn = 0, kOut = 1 };  // as the server sees it
inline constexpr size_t kNetDirections = 2;

// Rates are bytes in a second; with this one nobody is held back.
inline constexpr uint64_t kNoRate = UINT64_MAX;
// Nobody is slower than this, or a single message would take it minutes.
inline constexpr uint64_t kNetRateMin = 64 << 10;

// One who wants a part of something. `wants`: no more than that; kNoRate: all that it can get.
struct NetClaim {
  uint64_t weight = 1;
  uint64_t wants = kNoRate;
};

// What each is given of `rate` in a second: by weight, nobody more than it wants, and what one does
// not want to the others. All is given away if they want as much.
std::vector<uint64_t> DivideRate(uint64_t rate, const std::vector<NetClaim>& claims);

// Thread: one at a time (the daemon's main thread).
class NetShares {
 public:
  using Session = uint64_t;
  using Worker = uint64_t;

  // What was moved is looked at so often while anybody moves anything, and while nobody does.
  static constexpr uint64_t kSpanNs = 20'000'000;
  static constexpr uint64_t kQuietSpanNs = 100'000'000;
  // Who has moved nothing for so long leaves its part to others.
  static constexpr uint64_t kActiveNs = 100'000'000;
  // ... and so little in a span is nothing: small commands need no part of a link.
  static constexpr uint64_t kActiveBytes = 64 << 10;
  // Who was not stopped may want so much of what it moved, in percent.
  static constexpr uint64_t kRoomPercent = 110;
  // A best-effort session has so little of what another one would have.
  static constexpr uint64_t kBestEffortParts = 20;
  // Whoever asked for no share has an equal part of what is not promised, but never less.
  static constexpr uint64_t kWeightMin = kWholeShare / 100;

  // What a worker has done since it began, in one direction.
  struct Moved {
    uint64_t bytes = 0;
    uint64_t stops = 0;  // so often it could have gone on and had no rate left
  };

  using BothMoved = std::array<Moved, kNetDirections>;
  using Rates = std::array<uint64_t, kNetDirections>;

  // `rate`: of the server's link in each direction, in bytes a second; kNoRate: not known, so that
  // only caps hold.
  explicit NetShares(uint64_t rate) : rate_(rate) {}

  void Enter(Worker worker, Session session, const SliceRequest& slice, uint64_t limit);
  void Leave(Worker worker);
  // Other numbers; `limit` in bytes a second, kNoRate: none.
  void Resize(Session session, const SliceRequest& slice, uint64_t limit);

  void Note(Worker worker, const BothMoved& all);
  // The span is over: what was noted is judged, and everybody has a rate.
  void EndSpan(uint64_t now_ns);

  // How fast it may go; kNoRate: as it likes.
  uint64_t RateOf(Worker worker, NetDirection direction) const {
    return workers_.at(worker).rates[static_cast<size_t>(direction)];
  }

  // Of a session's workers, also those that have left.
  uint64_t MovedBy(Session session, NetDirection direction) const;

  // When a span should end; UINT64_MAX: there is nothing to divide.
  uint64_t NextTime() const;

 private:
  struct Flow {
    uint64_t seen_bytes = 0;
    uint64_t seen_stops = 0;
    uint64_t span_bytes = 0;
    bool stopped = false;    // in this span
    uint64_t wants = 0;      // by the last one
    uint64_t active_ns = 0;  // when it moved anything last; 0: never
  };

  struct Member {
    Session session = 0;
    std::array<Flow, kNetDirections> flows{};
    Rates rates{kNoRate, kNoRate};
  };

  struct Party {
    SliceRequest slice{};
    uint64_t limit = kNoRate;
    size_t workers = 0;
    std::array<uint64_t, kNetDirections> moved_bytes{};
  };

  struct Demand {
    uint64_t wants = 0;
    bool active = false;
  };

  bool IsActive(const Flow& flow) const;
  uint64_t WeightOf(const Party& party) const;
  Demand DemandOf(Session session, size_t direction) const;
  void Judge(Flow* flow, uint64_t span_ns) const;
  void Divide();
  void Divide(size_t direction);
  void DivideAmongWorkers(Session session, uint64_t rate, size_t direction);

  const uint64_t rate_;
  std::map<Worker, Member> workers_;
  std::map<Session, Party> parties_;
  uint64_t span_began_ns_ = 0;
  uint64_t now_ns_ = 0;
  bool quiet_ = true;
};

}  // namespace farlane::server
