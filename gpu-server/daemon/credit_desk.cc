// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/credit_desk.h"

#include <algorithm>

#include "protocol/base/log.h"

namespace farlane::server {

using Kind = ControlRecord::Kind;

bool CreditDesk::Hear(Ledger::Holder holder, const ControlRecord& record, uint64_t now_ns) {
  if (record.kind == Kind::kRecalled) {
    return HearRecalled(holder, record.id) && (Look(now_ns), true);
  }
  if (record.device >= ledger_.devices_count()) {
    return false;
  }
  switch (record.kind) {
    case Kind::kAsk:
      return HearAsk(holder, record, now_ns);
    case Kind::kReturn:
      if (!ledger_.Return(holder, record.device, record.bytes)) {
        return false;
      }
      ServeQueue(record.device, now_ns);
      return true;
    case Kind::kIdle:
      ledger_.NoteIdle(holder, record.device, record.bytes);
      return true;
    case Kind::kAskFigures: {
      const MemoryFigures figures = ledger_.FiguresFor(holder, record.device);
      tell_(holder, {.kind = Kind::kFigures,
                     .device = record.device,
                     .id = record.id,
                     .bytes = figures.free_bytes,
                     .total = figures.total_bytes});
      return true;
    }
    default:
      return false;
  }
}

bool CreditDesk::HearAsk(Ledger::Holder holder, const ControlRecord& record, uint64_t now_ns) {
  std::deque<Ask>& queue = queues_[record.device];
  const auto own = std::count_if(queue.begin(), queue.end(),
                                 [holder](const Ask& ask) { return ask.holder == holder; });
  if (own >= static_cast<ptrdiff_t>(kAsksMax)) {
    return false;
  }
  queue.push_back({.holder = holder,
                   .id = record.id,
                   .device = record.device,
                   .bytes = record.bytes,
                   .own_too = record.total != 0});
  ServeQueue(record.device, now_ns);
  return true;
}

bool CreditDesk::HearRecalled(Ledger::Holder holder, uint64_t id) {
  const auto found = recalls_.find(id);
  if (found == recalls_.end() || found->second.from != holder) {
    return false;
  }
  const size_t device = found->second.device;
  recalls_.erase(found);
  std::deque<Ask>& queue = queues_[device];
  const bool more_comes =
      std::any_of(recalls_.begin(), recalls_.end(), [holder, device](const auto& recall) {
        return recall.second.from == holder && recall.second.device == device;
      });
  if (!queue.empty() && !more_comes) {
    queue.front().awaited.erase(holder);
  }
  const bool owes_more =
      std::any_of(recalls_.begin(), recalls_.end(),
                  [holder](const auto& recall) { return recall.second.from == holder; });
  if (!owes_more) {
    owing_.erase(holder);
  }
  return true;
}

void CreditDesk::Forget(Ledger::Holder holder, uint64_t now_ns) {
  owing_.erase(holder);
  std::erase_if(recalls_, [holder](const auto& recall) { return recall.second.from == holder; });
  for (auto& [device, queue] : queues_) {
    std::erase_if(queue, [holder](const Ask& ask) { return ask.holder == holder; });
    if (!queue.empty()) {
      queue.front().awaited.erase(holder);
    }
  }
  Look(now_ns);
}

void CreditDesk::Look(uint64_t now_ns) {
  for (auto& [device, queue] : queues_) {
    ServeQueue(device, now_ns);
  }
}

uint64_t CreditDesk::NextTime() const {
  uint64_t next = UINT64_MAX;
  for (const auto& [device, queue] : queues_) {
    if (!queue.empty()) {
      next = std::min(next, queue.front().until_ns);
    }
  }
  return next;
}

// One after the other, so that what is given back for one is not taken by the next.
void CreditDesk::ServeQueue(size_t device, uint64_t now_ns) {
  std::deque<Ask>& queue = queues_[device];
  while (!queue.empty() && Decide(queue.front(), now_ns)) {
    queue.pop_front();
  }
}

// True when it is answered.
bool CreditDesk::Decide(Ask& ask, uint64_t now_ns) {
  if (ledger_.Take(ask.holder, ask.device, ask.bytes)) {
    Answer(ask, ask.bytes);
    return true;
  }
  if (ask.until_ns != 0 && now_ns >= ask.until_ns) {
    for (const Ledger::Holder silent : ask.awaited) {
      LogWarn("a client does not give back memory that it does not use; others do without");
      owing_.insert(silent);
    }
    ask.awaited.clear();
  }
  if (!ask.awaited.empty()) {
    return false;
  }
  // Those who were asked may have begun to use it: then others are asked, as long as there are any.
  if (BeginRecall(ask, now_ns)) {
    return false;
  }
  Answer(ask, 0);
  return true;
}

bool CreditDesk::AreIdle(const std::vector<Ledger::Claim>& claims, size_t device) const {
  return std::all_of(claims.begin(), claims.end(), [this, device](const Ledger::Claim& claim) {
    return claim.bytes <=
           ledger_.held_bytes(claim.holder, device) - ledger_.used_bytes(claim.holder, device);
  });
}

// From whom it could come back now.
std::vector<Ledger::Claim> CreditDesk::ClaimsFor(Ask& ask) const {
  std::set<Ledger::Holder> except = owing_;
  if (!ask.own_too) {
    except.insert(ask.holder);
  }
  std::set<Ledger::Holder> others = except;
  others.insert(ask.asked.begin(), ask.asked.end());
  std::vector<Ledger::Claim> claims = ledger_.ClaimsFor(ask.holder, ask.device, ask.bytes, others);
  if (!claims.empty() || ask.asked.empty() || ask.asked_again) {
    return claims;
  }
  // Somebody had used what was thought idle, and somebody else was asked for less than it has. What
  // they have said since is true.
  ask.asked_again = true;
  claims = ledger_.ClaimsFor(ask.holder, ask.device, ask.bytes, except);
  return AreIdle(claims, ask.device) ? claims : std::vector<Ledger::Claim>();
}

bool CreditDesk::BeginRecall(Ask& ask, uint64_t now_ns) {
  const std::vector<Ledger::Claim> claims = ClaimsFor(ask);
  for (const Ledger::Claim& claim : claims) {
    ask.awaited.insert(claim.holder);
    ask.asked.insert(claim.holder);
    SendRecall(claim, ask.device);
  }
  ask.until_ns = now_ns + kRecallNs;
  return !claims.empty();
}

void CreditDesk::SendRecall(const Ledger::Claim& claim, size_t device) {
  const uint64_t id = next_recall_++;
  recalls_[id] = {.from = claim.holder, .device = device};
  tell_(claim.holder, {.kind = Kind::kRecall,
                       .device = static_cast<uint32_t>(device),
                       .id = id,
                       .bytes = claim.bytes});
}

// Nobody waits for it: what does not come back now is not given again when it does.
void CreditDesk::Shrink(Ledger::Session session) {
  for (size_t device = 0; device < ledger_.devices_count(); ++device) {
    for (const Ledger::Claim& claim : ledger_.ClaimsOver(session, device)) {
      if (!owing_.contains(claim.holder)) {
        SendRecall(claim, device);
      }
    }
  }
}

void CreditDesk::Answer(const Ask& ask, uint64_t bytes) {
  tell_(ask.holder, {.kind = Kind::kGranted,
                     .device = static_cast<uint32_t>(ask.device),
                     .id = ask.id,
                     .bytes = bytes});
}

}  // namespace farlane::server
