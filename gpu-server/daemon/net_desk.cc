// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/net_desk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "protocol/base/log.h"

namespace farlane::server {

using std::memory_order_relaxed;

Status NetDesk::TryToEnter(pid_t worker,
                           Ledger::Session session,
                           const SliceRequest& slice,
                           uint64_t limit) {
  FARLANE_ASSIGN(TurnMemory grants, TurnMemory::Make(1, false));
  FARLANE_ASSIGN(TurnMemory uses, TurnMemory::Make(1, true));
  shares_.Enter(static_cast<NetShares::Worker>(worker), session, slice, limit);
  Pages& pages =
      pages_
          .emplace(worker,
                   Pages{.grants = std::move(grants), .uses = std::move(uses), .session = session})
          .first->second;
  WritePages();
  tell_(worker, {.kind = ControlRecord::Kind::kNetPart, .id = 0}, pages.grants.descriptor().get());
  tell_(worker, {.kind = ControlRecord::Kind::kNetPart, .id = 1}, pages.uses.descriptor().get());
  return Status::Ok();
}

void NetDesk::Enter(pid_t worker,
                    Ledger::Session session,
                    const SliceRequest& slice,
                    uint64_t limit) {
  const Status status = TryToEnter(worker, session, slice, limit);
  if (!status.ok()) {
    LogWarn("worker %d has no share of the network: %s", worker, status.message().c_str());
  }
}

void NetDesk::Leave(pid_t worker) {
  ReadPages();  // what it moved last counts for its session, too
  if (pages_.erase(worker) != 0) {
    shares_.Leave(static_cast<NetShares::Worker>(worker));
    WritePages();
    ForgetTalks();
  }
}

void NetDesk::Resize(Ledger::Session session, const SliceRequest& slice, uint64_t limit) {
  shares_.Resize(session, slice, limit);
  WritePages();
}

void NetDesk::ReadPages() {
  for (auto& [worker, pages] : pages_) {
    ReadTalk(&pages);
    const NetUseSlot& use = pages.uses.net_use();
    NetShares::BothMoved moved;
    for (size_t i = 0; i < kNetDirections; ++i) {
      moved[i] = {.bytes = use.bytes[i].load(memory_order_relaxed),
                  .stops = use.stops[i].load(memory_order_relaxed)};
    }
    shares_.Note(static_cast<NetShares::Worker>(worker), moved);
  }
}

// A worker may write what it likes: what goes back counts as nothing new.
void NetDesk::ReadTalk(Pages* pages) {
  const NetUseSlot& use = pages->uses.net_use();
  Talk& talk = talks_[pages->session];
  const auto add = [](const std::atomic<uint64_t>& from, uint64_t* seen, uint64_t* to) {
    const uint64_t now = from.load(memory_order_relaxed);
    *to += now > *seen ? now - *seen : 0;
    *seen = now;
  };
  const uint64_t trips_before = talk.trips;
  add(use.trips, &pages->seen.trips, &talk.trips);
  add(use.talked, &pages->seen.talked_bytes, &talk.talked_bytes);
  add(use.busy_ns, &pages->seen.busy_ns, &talk.busy_ns);
  if (talk.trips != trips_before) {
    talk.rtt_ns = use.rtt_ns.load(memory_order_relaxed);
  }
}

// The oldest of those that have nobody any more.
void NetDesk::ForgetTalks() {
  for (auto at = talks_.begin(); at != talks_.end() && talks_.size() > kTalksMax;) {
    const bool has_clients = std::any_of(pages_.begin(), pages_.end(), [&](const auto& one) {
      return one.second.session == at->first;
    });
    at = has_clients ? std::next(at) : talks_.erase(at);
  }
}

void NetDesk::WritePages() {
  for (const auto& [worker, pages] : pages_) {
    for (const NetDirection direction : {NetDirection::kIn, NetDirection::kOut}) {
      pages.grants.net_grant().rates[static_cast<size_t>(direction)].store(
          shares_.RateOf(static_cast<NetShares::Worker>(worker), direction), memory_order_relaxed);
    }
  }
}

void NetDesk::Look(uint64_t now_ns) {
  if (now_ns < shares_.NextTime()) {
    return;
  }
  ReadPages();
  shares_.EndSpan(now_ns);
  WritePages();
}

NetFigures NetDesk::FiguresOf(Ledger::Session session) {
  ReadPages();
  const auto found = talks_.find(session);
  const Talk talk = found == talks_.end() ? Talk{} : found->second;
  return {.in_bytes = shares_.MovedBy(session, NetDirection::kIn),
          .out_bytes = shares_.MovedBy(session, NetDirection::kOut),
          .trips = talk.trips,
          .rtt_ns = talk.rtt_ns,
          .talked_bytes = talk.talked_bytes,
          .busy_ns = talk.busy_ns};
}

}  // namespace farlane::server
