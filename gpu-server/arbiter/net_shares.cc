// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/net_shares.h"

#include <algorithm>
#include <utility>

namespace farlane::server {
namespace {

constexpr uint64_t kPercent = 100;
constexpr uint64_t kSecondNs = 1'000'000'000;

uint64_t Times(uint64_t one, uint64_t numerator, uint64_t denominator) {
  const auto product =
      static_cast<unsigned __int128>(one) * numerator / std::max<uint64_t>(denominator, 1);
  return product > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(product);
}

uint64_t Sum(uint64_t one, uint64_t other) {
  return one > UINT64_MAX - other ? UINT64_MAX : one + other;
}

}  // namespace

std::vector<uint64_t> DivideRate(uint64_t rate, const std::vector<NetClaim>& claims) {
  std::vector<uint64_t> given(claims.size(), 0);
  std::vector<size_t> open;
  for (size_t i = 0; i < claims.size(); ++i) {
    open.push_back(i);
  }
  uint64_t left = rate;
  // Whoever wants less than its part has what it wants, and the others divide the rest anew.
  while (!open.empty()) {
    uint64_t weights = 0;
    for (const size_t i : open) {
      weights += claims[i].weight;
    }
    const uint64_t before = left;
    std::vector<size_t> larger;
    for (const size_t i : open) {
      if (claims[i].wants > Times(before, claims[i].weight, weights)) {
        larger.push_back(i);
        continue;
      }
      given[i] = claims[i].wants;
      left -= std::min(left, given[i]);
    }
    if (larger.size() == open.size()) {
      for (const size_t i : open) {
        given[i] = Times(before, claims[i].weight, weights);
      }
      break;
    }
    open = std::move(larger);
  }
  return given;
}

void NetShares::Enter(Worker worker, Session session, const SliceRequest& slice, uint64_t limit) {
  const auto [found, is_new] = parties_.try_emplace(session);
  if (is_new) {
    found->second.slice = slice;
    found->second.limit = limit;
  }
  ++found->second.workers;
  workers_[worker].session = session;
  Divide();
}

void NetShares::Leave(Worker worker) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) {
    return;
  }
  const Session session = found->second.session;
  workers_.erase(found);
  if (--parties_.at(session).workers == 0) {
    parties_.erase(session);
  }
  Divide();
}

void NetShares::Resize(Session session, const SliceRequest& slice, uint64_t limit) {
  const auto found = parties_.find(session);
  if (found == parties_.end()) {
    return;
  }
  found->second.slice = slice;
  found->second.limit = limit;
  Divide();
}

void NetShares::Note(Worker worker, const BothMoved& all) {
  const auto found = workers_.find(worker);
  if (found == workers_.end()) {
    return;
  }
  for (size_t direction = 0; direction < kNetDirections; ++direction) {
    Flow& flow = found->second.flows[direction];
    const Moved& moved = all[direction];
    // A worker that counts backwards is believed nothing.
    const uint64_t more = moved.bytes > flow.seen_bytes ? moved.bytes - flow.seen_bytes : 0;
    flow.seen_bytes += more;
    flow.span_bytes = Sum(flow.span_bytes, more);
    flow.stopped = flow.stopped || moved.stops != flow.seen_stops;
    flow.seen_stops = moved.stops;
    uint64_t& in_all = parties_.at(found->second.session).moved_bytes[direction];
    in_all = Sum(in_all, more);
  }
}

// As for the GPU's time: who asked for a share has that weight, the others divide what is left.
uint64_t NetShares::WeightOf(const Party& party) const {
  uint64_t asked = 0;
  uint64_t others = 0;
  for (const auto& [session, one] : parties_) {
    asked += one.slice.priority == Priority::kBestEffort ? 0 : one.slice.share;
    others += one.slice.share == 0 ? 1 : 0;
  }
  const uint64_t left = kWholeShare - std::min<uint64_t>(asked, kWholeShare);
  const uint64_t equal = std::max(left / std::max<uint64_t>(others, 1), kWeightMin);
  const uint64_t weight = party.slice.share != 0 ? party.slice.share : equal;
  const bool best_effort = party.slice.priority == Priority::kBestEffort;
  return std::max<uint64_t>(best_effort ? weight / kBestEffortParts : weight, 1);
}

bool NetShares::IsActive(const Flow& flow) const {
  return flow.active_ns != 0 && now_ns_ - flow.active_ns < kActiveNs;
}

// What the workers of a session want together.
NetShares::Demand NetShares::DemandOf(Session session, size_t direction) const {
  Demand all;
  for (const auto& [worker, member] : workers_) {
    if (member.session == session) {
      all.wants = Sum(all.wants, member.flows[direction].wants);
      all.active = all.active || IsActive(member.flows[direction]);
    }
  }
  return all;
}

// Each worker may have what would be its own if it wanted all that it can get; what it is believed
// to want counts for the others only. So who begins to want more need not wait to be noticed.
void NetShares::DivideAmongWorkers(Session session, uint64_t rate, size_t direction) {
  std::vector<Member*> members;
  std::vector<NetClaim> claims;
  for (auto& [worker, member] : workers_) {
    if (member.session == session) {
      members.push_back(&member);
      claims.push_back({.weight = 1, .wants = member.flows[direction].wants});
    }
  }
  for (size_t i = 0; i < members.size(); ++i) {
    std::vector<NetClaim> with_all = claims;
    with_all[i].wants = kNoRate;
    members[i]->rates[direction] =
        rate == kNoRate ? kNoRate : std::max(DivideRate(rate, with_all)[i], kNetRateMin);
  }
}

void NetShares::Divide(size_t direction) {
  std::vector<Session> sessions;
  std::vector<NetClaim> claims;
  size_t active = 0;
  for (const auto& [session, party] : parties_) {
    const Demand demand = DemandOf(session, direction);
    active += demand.active ? 1 : 0;
    sessions.push_back(session);
    claims.push_back({.weight = WeightOf(party), .wants = std::min(demand.wants, party.limit)});
  }
  for (size_t i = 0; i < sessions.size(); ++i) {
    uint64_t rate = parties_.at(sessions[i]).limit;
    if (rate_ != kNoRate && active > 1) {
      std::vector<NetClaim> with_all = claims;
      with_all[i].wants = rate;
      rate = DivideRate(rate_, with_all)[i];
    }
    DivideAmongWorkers(sessions[i], rate, direction);
  }
}

void NetShares::Divide() {
  for (size_t direction = 0; direction < kNetDirections; ++direction) {
    Divide(direction);
  }
}

// What one has done in a span, and what it therefore wants.
void NetShares::Judge(Flow* flow, uint64_t span_ns) const {
  flow->wants = flow->stopped
                    ? kNoRate
                    : Times(Times(flow->span_bytes, kSecondNs, span_ns), kRoomPercent, kPercent);
  if (flow->stopped || flow->span_bytes >= kActiveBytes) {
    flow->active_ns = now_ns_;
  }
  flow->span_bytes = 0;
  flow->stopped = false;
}

void NetShares::EndSpan(uint64_t now_ns) {
  const uint64_t span_ns = now_ns > span_began_ns_ ? now_ns - span_began_ns_ : 1;
  now_ns_ = now_ns;
  quiet_ = true;
  for (auto& [worker, member] : workers_) {
    for (Flow& flow : member.flows) {
      Judge(&flow, span_ns);
      quiet_ = quiet_ && !IsActive(flow);
    }
  }
  Divide();
  span_began_ns_ = now_ns;
}

uint64_t NetShares::MovedBy(Session session, NetDirection direction) const {
  const auto found = parties_.find(session);
  return found == parties_.end() ? 0 : found->second.moved_bytes[static_cast<size_t>(direction)];
}

// A session alone has nobody to divide with; but the workers of one with a cap have.
uint64_t NetShares::NextTime() const {
  const bool divides = (rate_ != kNoRate && parties_.size() > 1) ||
                       std::any_of(parties_.begin(), parties_.end(), [](const auto& one) {
                         return one.second.limit != kNoRate && one.second.workers > 1;
                       });
  return divides ? span_began_ns_ + (quiet_ ? kQuietSpanNs : kSpanNs) : UINT64_MAX;
}

}  // namespace farlane::server
