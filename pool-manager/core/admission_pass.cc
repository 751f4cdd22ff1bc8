// SPDX-License-Identifier: Apache-2.0
// The part of AdmissionDesk that lets those in who wait, and says how they stand.
#include <algorithm>

#include "pool-manager/core/admission_desk.h"
#include "pool-manager/tenancy/room_forecast.h"

namespace farlane::pool {
namespace {

constexpr int64_t kDrainWindowMs = 600'000;
constexpr int64_t kCountEveryMs = 500;
constexpr uint32_t kAskAgainMs = 200;
constexpr uint32_t kAskAgainMostMs = 2'000;

// After so long something is done for who waits; earlier for who has to begin soon, so that most of
// his time is left for it.
int64_t PatienceWith(const Ticket& ticket, int64_t usual_ms) {
  constexpr int64_t kPart = 4;
  return ticket.due_ms == Ticket::kNever
             ? usual_ms
             : std::min(usual_ms, (ticket.due_ms - ticket.since_ms) / kPart);
}

std::string WhyOver(const Ticket& ticket, int64_t now_ms) {
  return now_ms > ticket.due_ms     ? "it should have begun by now, and there was no place"
         : now_ms > ticket.until_ms ? "its time to wait is over"
                                    : "it does not ask any more";
}

}  // namespace

// When sessions have left and nothing else has changed, only those are looked at whom that
// concerns.
void AdmissionDesk::PassWhereRoomIs(uint64_t epoch,
                                    const Pool::Now& now,
                                    Consequences* consequences) {
  pool_.RefreshCapacity();
  if (queue_.size() == 0 || pool_.room_changes() == seen_changes_) {
    return;
  }
  const auto freed = pool_.FreedSince(seen_changes_);
  if (freed.has_value()) {
    PassFreed(*freed, epoch, now, consequences);
  } else {
    Pass(epoch, now, consequences);
  }
}

// Opens the shapes that one of these servers has room for by now. How many wait for something of
// the tenants that have got something back; all of these tenants.
size_t AdmissionDesk::OpenFor(const std::vector<Pool::Freed>& freed,
                              const Pool::Now& now,
                              std::set<uint32_t>* tenants) {
  open_.clear();
  for (const auto& [shape, same] : shapes_) {
    if (pool_.CanTake(same.sample, freed, now)) {
      open_.insert(shape);
    }
  }
  std::erase_if(stuck_, [this](const auto& one) { return open_.contains(one.second); });
  for (const Pool::Freed& one : freed) {
    for (uint32_t at = one.project; at != TenantTree::kPool; at = pool_.tenants().ParentOf(at)) {
      tenants->insert(at);
    }
  }
  tenants->insert(TenantTree::kPool);
  size_t concerned = 0;
  for (const uint32_t tenant : *tenants) {
    const auto refused = refused_.find(tenant);
    concerned += refused == refused_.end() ? 0 : refused->second;
  }
  return concerned;
}

// Somebody has come in: for some there is no room any more.
void AdmissionDesk::CloseWhatIsFull(const std::vector<Pool::Freed>& freed, const Pool::Now& now) {
  std::erase_if(
      open_, [&](uint64_t shape) { return !pool_.CanTake(shapes_.at(shape).sample, freed, now); });
}

// In the order of their turns, too; it ends when there is nobody left whom it concerns. Nothing is
// taken from others or held here: Look, once a second, looks at everybody.
void AdmissionDesk::PassFreed(const std::vector<Pool::Freed>& freed,
                              uint64_t epoch,
                              const Pool::Now& now,
                              Consequences* consequences) {
  seen_changes_ = pool_.room_changes();
  plans_left_ = 0;
  holds_left_ = 0;
  std::set<uint32_t> tenants;
  size_t refused = OpenFor(freed, now, &tenants);
  if (refused == 0 && open_.empty()) {
    return;
  }
  QueueOrder tickets(queue_, pool_.tenants());
  while (refused != 0 || !open_.empty()) {
    Ticket* const ticket = tickets.Next();
    if (ticket == nullptr) {
      break;
    }
    const bool was_refused = tenants.contains(ticket->refused_at);
    refused -= was_refused ? 1 : 0;
    if (!was_refused && !open_.contains(ticket->shape)) {
      continue;
    }
    const size_t before = queue_.size();
    Consider(ticket, epoch, now, consequences);
    if (queue_.size() != before) {
      CloseWhatIsFull(freed, now);
    }
  }
  open_.clear();
  if (queue_.size() < kCountedAtOnce) {
    counted_ms_ = 0;
  }
}

// Everybody who waits is looked at, in the order of their turns.
void AdmissionDesk::Pass(uint64_t epoch, const Pool::Now& now, Consequences* consequences) {
  pool_.RefreshCapacity();
  seen_changes_ = pool_.room_changes();
  stuck_.clear();
  open_.clear();
  plans_left_ = settings_.plans_per_pass;
  holds_left_ = settings_.holds_max;
  limits_held_.clear();  // whoever is oldest now
  std::erase_if(holds_, [this, &now](const auto& hold) {
    const bool over = hold.second.until_ms != 0 && now.ms > hold.second.until_ms;
    return over || queue_.Find(hold.first) == nullptr;
  });
  QueueOrder tickets(queue_, pool_.tenants());
  while (Ticket* const ticket = tickets.Next()) {
    Consider(ticket, epoch, now, consequences);  // it may leave the queue, and nobody else does
  }
  counted_ms_ = 0;
}

void AdmissionDesk::Consider(Ticket* ticket,
                             uint64_t epoch,
                             const Pool::Now& now,
                             Consequences* consequences) {
  const v1::CreateSessionRequest& request = waiting_[ticket->id].request;
  Pool::Grant grant;
  auto objection = TryPlace(ticket, request, ticket->id, epoch, now, &grant);
  const bool waits = objection.has_value() && objection->kind == Objection::Kind::kNoCapacity;
  if (waits && now.ms - ticket->since_ms >= PatienceWith(*ticket, settings_.preempt_after_ms) &&
      MakeRoom(*ticket, request, now, consequences)) {
    objection = TryPlace(ticket, request, ticket->id, epoch, now, &grant);
  }
  if (!objection.has_value()) {
    Admit(ticket, std::move(grant), now);
    return;
  }
  if (!ticket->refusal.has_value() && ticket->reason != objection->detail) {
    ticket->reason = objection->detail;
  }
  if (now.ms - ticket->since_ms < PatienceWith(*ticket, settings_.hold_after_ms)) {
    return;
  }
  const auto refusal = pool_.tenants().Check(ticket->project, ticket->amount);
  if (refusal.has_value()) {
    limits_held_.emplace(refusal->tenant, ticket->id);
  } else if (objection->reason == "NoServer") {
    HoldFor(*ticket, request, now);
  }
}

// Others give up what they need not have, if they may be made to.
bool AdmissionDesk::MakeRoom(const Ticket& ticket,
                             const v1::CreateSessionRequest& request,
                             const Pool::Now& now,
                             Consequences* consequences) {
  Waiting& waiting = waiting_[ticket.id];
  const bool too_soon =
      waiting.plan_tried_ms != 0 && now.ms - waiting.plan_tried_ms < settings_.try_again_ms;
  if (plans_left_ == 0 || too_soon || ticket.priority == Priority::kBestEffort) {
    return false;
  }
  if (std::string why; BlockedAt(ticket, &why).has_value()) {
    return false;
  }
  --plans_left_;
  waiting.plan_tried_ms = now.ms;
  const Wanted wanted = pool_.WantedOf(request.spec(), ticket.project);
  const EvictionPlanner planner;
  const std::vector<std::string> kept_out = KeptOut(ticket, now);
  std::optional<EvictionPlan> best;
  size_t best_ends = 0;
  for (const HostPicture& host : pool_.Hosts(request, settings_.hosts_looked_at)) {
    if (std::find(kept_out.begin(), kept_out.end(), host.id) != kept_out.end()) {
      continue;
    }
    auto plan = planner.Plan(pool_.tenants(), wanted, host, now.ms);
    if (!plan.has_value()) {
      continue;
    }
    const auto ends =
        static_cast<size_t>(std::count_if(plan->steps.begin(), plan->steps.end(),
                                          [](const EvictionStep& step) { return step.ends; }));
    if (!best.has_value() || ends < best_ends ||
        (ends == best_ends && plan->steps.size() < best->steps.size())) {
      best = std::move(plan);
      best_ends = ends;
    }
  }
  if (!best.has_value()) {
    return false;
  }
  const std::string& project = pool_.tenants().Of(ticket.project).name;
  const std::string why =
      "it made room for session " + ticket.id.substr(0, 8) + " of project \"" + project + "\"";
  for (const EvictionStep& step : best->steps) {
    consequences->changed.push_back(
        step.ends ? pool_.Evict(step.session, v1::PREEMPTED, why, now, &consequences->orders)
                  : pool_.Resize(step.session, step.share, &consequences->orders));
  }
  // Until he has it, nobody else has.
  holds_[ticket.id] = {.server = best->host,
                       .until_ms = now.ms + settings_.nomination_ms,
                       .made_ms = now.ms,
                       .priority = ticket.priority};
  stuck_.clear();
  seen_changes_ = pool_.room_changes();
  quiet_since_ms_ = now.ms;
  return true;
}

void AdmissionDesk::HoldFor(const Ticket& ticket,
                            const v1::CreateSessionRequest& request,
                            const Pool::Now& now) {
  const auto held = holds_.find(ticket.id);
  const bool is_full = held == holds_.end() && holds_.size() >= settings_.holds_max;
  const bool nominated = held != holds_.end() && held->second.until_ms != 0;
  int64_t& tried_ms = waiting_[ticket.id].hold_tried_ms;
  // What is held is looked at again now and then: when its room will be there changes.
  if (is_full || nominated || (tried_ms != 0 && now.ms - tried_ms < settings_.try_again_ms / 2) ||
      holds_left_ == 0) {
    return;
  }
  --holds_left_;
  tried_ms = now.ms;
  std::vector<HostPicture> hosts = pool_.Hosts(request, settings_.hosts_looked_at);
  std::erase_if(hosts, [this, &ticket](const HostPicture& host) {
    return std::any_of(holds_.begin(), holds_.end(), [&](const auto& hold) {
      return hold.first != ticket.id && hold.second.server == host.id;
    });
  });
  const Wanted wanted = pool_.WantedOf(request.spec(), ticket.project);
  if (const auto room = ForecastRoom(wanted, hosts, now.ms)) {
    holds_[ticket.id] = {
        .server = hosts[room->host].id, .start_ms = room->start_ms, .priority = ticket.priority};
  }
}

// What was taken from sessions is given back when nobody needs it.
void AdmissionDesk::Ease(const Pool::Now& now, Consequences* consequences) {
  if (queue_.size() != 0 || now.ms - quiet_since_ms_ < settings_.ease_after_ms) {
    quiet_since_ms_ = queue_.size() != 0 ? now.ms : quiet_since_ms_;
    return;
  }
  pool_.GiveBack(&consequences->changed, &consequences->orders);
}

void AdmissionDesk::Look(uint64_t epoch, const Pool::Now& now, Consequences* consequences) {
  began_ms_ = began_ms_ == 0 ? now.ms : began_ms_;
  for (const std::string& id : queue_.Expired(now.ms, settings_.patience_ms)) {
    Drop(id, v1::EXPIRED, WhyOver(*queue_.Find(id), now.ms), now, consequences);
  }
  std::vector<std::string> unclaimed;
  for (const auto& [id, waiting] : waiting_) {
    if (waiting.grant.has_value() && now.ms - waiting.granted_ms > settings_.claim_ms) {
      unclaimed.push_back(id);
    }
  }
  for (const std::string& id : unclaimed) {
    waiting_.erase(id);
    const v1::Session* const session = pool_.FindSession(id);
    if (session != nullptr && session->phase() == v1::RESERVED) {
      consequences->changed.push_back(pool_.EndWaiting(id, v1::EXPIRED, "nobody came for it", now));
    }
  }
  // As time goes by some become old enough to have something held or taken for them.
  seen_changes_ = 0;
  if (queue_.size() != 0) {
    Pass(epoch, now, consequences);
  }
  std::erase_if(by_key_,
                [this](const auto& known) { return pool_.FindSession(known.second) == nullptr; });
  Ease(now, consequences);
}

void AdmissionDesk::CountPlaces(const Pool::Now& now) {
  if (counted_ms_ != 0 && now.ms - counted_ms_ < kCountEveryMs) {
    return;
  }
  counted_ms_ = now.ms;
  positions_.clear();
  uint32_t position = 0;
  QueueOrder tickets(queue_, pool_.tenants());
  while (const Ticket* const ticket = tickets.Next()) {
    positions_[ticket->id] = ++position;
    tickets.Suppose(*ticket);
  }
  while (!admitted_ms_.empty() && now.ms - admitted_ms_.front() > kDrainWindowMs) {
    admitted_ms_.pop_front();
  }
}

v1::QueuePlace AdmissionDesk::PlaceOf(const Ticket& ticket, const Pool::Now& now) {
  CountPlaces(now);
  v1::QueuePlace place;
  const auto found = positions_.find(ticket.id);
  const uint32_t position =
      found == positions_.end() ? static_cast<uint32_t>(queue_.size()) : found->second;
  place.set_position(position);
  place.set_waiting(static_cast<uint32_t>(queue_.size()));
  place.set_estimate_s(-1);
  const auto held = holds_.find(ticket.id);
  if (held != holds_.end() && held->second.start_ms > now.ms) {
    place.set_estimate_s((held->second.start_ms - now.ms) / 1000);
  } else if (admitted_ms_.size() > 1) {
    const auto span_ms = static_cast<double>(std::max<int64_t>(now.ms - admitted_ms_.front(), 1));
    const double each_ms = span_ms / static_cast<double>(admitted_ms_.size());
    place.set_estimate_s(static_cast<int64_t>(each_ms * position / 1000));
  }
  place.add_reasons(ReasonOf(ticket));
  if (held != holds_.end()) {
    place.add_reasons("a server is held for it");
  }
  if (ticket.due_ms != Ticket::kNever) {
    const int64_t left_s = std::max<int64_t>(ticket.due_ms - now.ms, 0) / 1000;
    place.add_reasons("it has to begin within " + std::to_string(left_s) + " s");
  }
  place.set_ask_again_ms(std::clamp(kAskAgainMs * position, kAskAgainMs, kAskAgainMostMs));
  return place;
}

v1::ListQueueResponse AdmissionDesk::List(const Pool::Now& now) {
  counted_ms_ = 0;
  v1::ListQueueResponse list;
  QueueOrder tickets(queue_, pool_.tenants());
  while (const Ticket* const ticket = tickets.Next()) {
    tickets.Suppose(*ticket);
    v1::QueueEntry& entry = *list.add_entries();
    *entry.mutable_session() = SessionOf(*ticket, waiting_[ticket->id]);
    *entry.mutable_place() = PlaceOf(*ticket, now);
  }
  return list;
}

std::map<std::string, uint32_t> AdmissionDesk::WaitingByProject() const {
  std::map<std::string, uint32_t> waiting;
  for (const auto& [id, one] : waiting_) {
    const std::string& project = one.request.spec().project();
    if (queue_.Find(id) != nullptr) {
      ++waiting[project.empty() ? Pool::kDefaultProject : project];
    }
  }
  return waiting;
}

}  // namespace farlane::pool
