// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/credit_desk.h"

#include <algorithm>

#include "gpu-server/memory/credit_source.h"
#include "protocol/base/log.h"

namespace farlane::server {

using Kind = ControlRecord::Kind;

bool CreditDesk::Hear(Ledger::Holder holder, const ControlRecord& record, uint64_t now_ns) {
  if (record.kind == Kind::kRecalled) {
    return HearRecalled(holder, record) && (Look(now_ns), true);
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
  constexpr uint64_t kObject = static_cast<uint64_t>(CreditSource::Purpose::kObject);
  constexpr uint64_t kSpare = static_cast<uint64_t>(CreditSource::Purpose::kSpare);
  std::deque<Ask>& queue = queues_[record.device];
  const auto own = std::count_if(queue.begin(), queue.end(),
                                 [holder](const Ask& ask) { return ask.holder == holder; });
  if (own >= static_cast<ptrdiff_t>(kAsksMax)) {
    return false;
  }
  if (record.total == kSpare) {
    const bool is_there = queue.empty() && ledger_.Take(holder, record.device, record.bytes);
    Answer({.holder = holder, .id = record.id, .device = record.device},
           is_there ? record.bytes : 0);
    return true;
  }
  queue.push_back({.holder = holder,
                   .id = record.id,
                   .device = record.device,
                   .bytes = record.bytes,
                   .own_too = record.total == kObject});
  ServeQueue(record.device, now_ns);
  return true;
}

// Whoever gives less than it was asked for has no more.
void CreditDesk::NoteAnswer(const Recall& recall, const ControlRecord& record) {
  const Place place{recall.from, recall.device};
  ++answers_;
  if (record.bytes >= recall.bytes) {
    exhausted_.erase(place);
    return;
  }
  const auto [found, is_new] =
      exhausted_.try_emplace(place, Exhausted{.frees = record.total, .since = answers_});
  // What it has given now, it had.
  if (!is_new && (found->second.frees != record.total || record.bytes != 0)) {
    found->second = {.frees = record.total, .since = answers_};
  }
}

bool CreditDesk::HearRecalled(Ledger::Holder holder, const ControlRecord& record) {
  const auto found = recalls_.find(record.id);
  if (found == recalls_.end() || found->second.from != holder) {
    return false;
  }
  const size_t device = found->second.device;
  NoteAnswer(found->second, record);
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
  std::erase_if(exhausted_, [holder](const auto& one) { return one.first.first == holder; });
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
  if (!IsProvedGone(ask, now_ns) && BeginRecall(ask, now_ns)) {
    return false;
  }
  Answer(ask, 0);
  return true;
}

// Whether all who were asked for it, each for all that is missing, had nothing when that round
// began. Who does not answer is not waited for.
bool CreditDesk::IsProvedGone(const Ask& ask, uint64_t now_ns) const {
  const bool is_long = ask.until_ns != 0 && now_ns - ask.began_ns >= kRoundsNs;
  return is_long || ask.rounds == kRoundsMax ||
         (ask.rounds != 0 &&
          std::all_of(ask.asked.begin(), ask.asked.end(), [this, &ask](Ledger::Holder holder) {
            const auto found = exhausted_.find({holder, ask.device});
            return owing_.contains(holder) ||
                   (found != exhausted_.end() && found->second.since <= ask.round_began);
          }));
}

// Asks those of whom it is known that they have enough, at first; later everybody. False: even all
// that they hold would not be enough.
bool CreditDesk::BeginRecall(Ask& ask, uint64_t now_ns) {
  std::set<Ledger::Holder> except = owing_;
  if (!ask.own_too) {
    except.insert(ask.holder);
  }
  std::vector<Ledger::Claim> claims;
  if (ask.until_ns == 0) {
    ask.began_ns = now_ns;
    claims = ledger_.IdleFor(ask.holder, ask.device, ask.bytes, except);
  }
  if (claims.empty()) {
    claims = ledger_.ClaimsFor(ask.holder, ask.device, ask.bytes, except);
    ++ask.rounds;
    ask.round_began = answers_;
    ask.asked.clear();
    for (const Ledger::Claim& claim : claims) {
      ask.asked.insert(claim.holder);
    }
  }
  for (const Ledger::Claim& claim : claims) {
    ask.awaited.insert(claim.holder);
    SendRecall(claim, ask.device);
  }
  ask.until_ns = now_ns + kRecallNs;
  return !claims.empty();
}

void CreditDesk::SendRecall(const Ledger::Claim& claim, size_t device) {
  const uint64_t id = next_recall_++;
  recalls_[id] = {.from = claim.holder, .device = device, .bytes = claim.bytes};
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
  if (bytes != 0) {
    exhausted_.erase({ask.holder, ask.device});  // it has this now
  }
  tell_(ask.holder, {.kind = Kind::kGranted,
                     .device = static_cast<uint32_t>(ask.device),
                     .id = ask.id,
                     .bytes = bytes});
}

}  // namespace farlane::server
