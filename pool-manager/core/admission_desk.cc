// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/admission_desk.h"

#include <algorithm>

#include "pool-manager/core/request_key.h"
#include "pool-manager/core/session_request.h"
#include "pool-manager/tenancy/room_forecast.h"
#include "protocol/base/slice.h"

namespace farlane::pool {
namespace {

std::string KeyOf(const std::string& user, const std::string& key) {
  return key.empty() ? "" : user + "\n" + key;
}

// It waited, and when it had a place, nobody came for it: whoever comes late may wait again.
bool MayBeginAnew(const v1::Session& session) {
  return session.phase() == v1::EXPIRED && session.queued_ms() != 0 && session.started_ms() == 0;
}

// What placement goes by, and nothing else.
uint64_t ShapeOf(const v1::SessionSpec& spec) {
  v1::SessionSpec shape = spec;
  shape.clear_program();
  shape.clear_profile();
  shape.clear_time_limit_s();
  if (spec.isolation().empty() || spec.isolation() == "shared") {
    shape.clear_project();
  }
  if (spec.max_rtt_ms() == 0) {
    shape.clear_host();
  }
  return std::hash<std::string>()(shape.SerializeAsString());
}

uint64_t Mixed(uint64_t shape, const std::vector<std::string>& kept_out) {
  for (const std::string& server : kept_out) {
    shape = shape * 1'099'511'628'211ull + std::hash<std::string>()(server);
  }
  return shape;
}

Objection NoPlace(const std::string& reason, const std::string& detail) {
  return {Objection::Kind::kNoCapacity, reason, detail};
}

// What was measured is known by now, and must not count again with each look; who could not be
// reached stays left out.
void KeepUnreachable(v1::CreateSessionRequest* request) {
  google::protobuf::RepeatedPtrField<v1::Measured> unreachable;
  for (const v1::Measured& one : request->measured()) {
    if (one.rtt_ms() <= 0) {
      *unreachable.Add() = one;
    }
  }
  *request->mutable_measured() = std::move(unreachable);
}

}  // namespace

v1::Session AdmissionDesk::SessionOf(const Ticket& ticket, const Waiting& waiting) const {
  v1::Session session;
  session.set_id(ticket.id);
  *session.mutable_spec() = waiting.request.spec();
  session.set_phase(v1::PENDING);
  session.set_reason(ticket.reason);
  session.set_created_ms(ticket.since_ms);
  session.set_queued_ms(ticket.since_ms);
  session.set_queue_until_ms(ticket.until_ms);
  NoteRequest(waiting.request, &session);
  session.set_user(waiting.user);
  return session;
}

std::optional<Objection> AdmissionDesk::MakeTicket(const v1::CreateSessionRequest& request,
                                                   const Pool::Now& now,
                                                   Ticket* ticket) const {
  uint32_t project = 0;
  if (auto objection = pool_.FindProject(request.spec(), &project)) {
    return objection;
  }
  const Wanted wanted = Pool::WantedOf(request.spec(), project);
  ticket->project = project;
  ticket->priority = wanted.priority;
  ticket->amount = wanted.amount;
  ticket->shape = ShapeOf(request.spec());
  ticket->since_ms = now.ms;
  ticket->asked_ms = now.ms;
  const uint32_t seconds = std::min(request.wait_seconds(), kQueueSecondsMax);
  ticket->until_ms = now.ms + 1000 * int64_t{seconds};
  ticket->runs_ms = 1000 * int64_t{request.spec().time_limit_s()};
  return std::nullopt;
}

void AdmissionDesk::Restore(const Pool::Now& now) {
  for (const v1::Session& session : pool_.Sessions()) {
    if (const std::string key = KeyOf(session.user(), session.idempotency_key()); !key.empty()) {
      by_key_[key] = session.id();
    }
    if (session.phase() != v1::PENDING) {
      continue;
    }
    Waiting waiting{.user = session.user()};
    *waiting.request.mutable_spec() = session.spec();
    waiting.request.set_key_digest(session.key_digest());
    waiting.request.set_idempotency_key(session.idempotency_key());
    Ticket ticket{.id = session.id()};
    if (MakeTicket(waiting.request, now, &ticket).has_value()) {
      continue;  // its project is gone; Look drops it
    }
    ticket.since_ms = session.queued_ms();
    ticket.until_ms = session.queue_until_ms();
    if (queue_.Join(ticket)) {
      waiting_[session.id()] = std::move(waiting);
    }
  }
}

std::optional<Objection> AdmissionDesk::AskAgain(const v1::CreateSessionRequest& request,
                                                 const std::string& id,
                                                 uint64_t epoch,
                                                 const Pool::Now& now,
                                                 Reply* reply,
                                                 bool* known) {
  const v1::Session* const session = pool_.FindSession(id);
  const bool is_over =
      session != nullptr && session->phase() != v1::PENDING && !Pool::IsLive(*session);
  *known = session != nullptr && !(is_over && MayBeginAnew(*session));
  if (!*known) {
    return std::nullopt;
  }
  if (!IsSameRequest(*session, request)) {
    return Objection{Objection::Kind::kOtherRequest, "KeyReused",
                     "something else was asked for under the same idempotency key before"};
  }
  if (is_over) {
    return Objection{Objection::Kind::kConflict, "Over",
                     "session " + id + ", which this request has got, is over: " +
                         v1::Phase_Name(session->phase()) + ", " + session->reason()};
  }
  if (session->phase() == v1::RESERVED && !pool_.IsReady(session->server_id())) {
    // A token that this manager signs is worth nothing there before the server has heard of it.
    return Objection{
        Objection::Kind::kUnavailable, "Retry",
        "server " + session->server() + ", where there is a place for it, has not come back yet"};
  }
  const auto waits = waiting_.find(id);
  if (waits != waiting_.end() && waits->second.grant.has_value()) {
    reply->grant = Pool::GrantAgain(waits->second.grant->session, epoch, now);
    reply->is_new = true;
    waiting_.erase(waits);
    return std::nullopt;
  }
  if (Ticket* const ticket = queue_.Find(id); ticket != nullptr && waits != waiting_.end()) {
    ticket->asked_ms = now.ms;
    if (!request.measured().empty()) {
      pool_.NoteMeasured(request, now);
      *waits->second.request.mutable_measured() = request.measured();
      KeepUnreachable(&waits->second.request);
    }
    reply->waiting = SessionOf(*ticket, waits->second);
    reply->place = PlaceOf(*ticket, now);
    return std::nullopt;
  }
  if (session->phase() != v1::RESERVED) {
    return Objection{Objection::Kind::kConflict, "InUse",
                     "session " + id + " was asked for with this idempotency key, and is in use"};
  }
  reply->grant = Pool::GrantAgain(*session, epoch, now);
  reply->is_new = true;  // whoever was told before may not have been
  return std::nullopt;
}

std::optional<Objection> AdmissionDesk::Ask(const v1::CreateSessionRequest& request,
                                            const std::string& user,
                                            uint64_t epoch,
                                            const Pool::Now& now,
                                            Reply* reply,
                                            Consequences* consequences) {
  const std::string& key = request.idempotency_key();
  if (!key.empty() && !IsRequestKey(key)) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "an idempotency key is 1 to 255 printable characters without spaces"};
  }
  // Whoever waits is before whoever comes.
  if (pool_.room_changes() != seen_changes_ && queue_.size() != 0) {
    Pass(epoch, now, consequences);
  }
  const auto found = by_key_.find(KeyOf(user, key));
  if (found != by_key_.end() && !key.empty()) {
    bool known = false;
    auto objection = AskAgain(request, found->second, epoch, now, reply, &known);
    if (known) {
      return objection;
    }
  }
  return Begin(request, user, epoch, now, reply);
}

std::optional<Objection> AdmissionDesk::Begin(const v1::CreateSessionRequest& request,
                                              const std::string& user,
                                              uint64_t epoch,
                                              const Pool::Now& now,
                                              Reply* reply) {
  Ticket ticket;
  if (auto objection = MakeTicket(request, now, &ticket)) {
    return objection;
  }
  Pool::Grant grant;
  auto objection = TryPlace(ticket, request, "", epoch, now, &grant);
  reply->is_new = true;
  const std::string key = KeyOf(user, request.idempotency_key());
  if (!objection.has_value() && !grant.candidates.empty()) {
    reply->candidates = std::move(grant.candidates);
    return std::nullopt;
  }
  if (!objection.has_value()) {
    if (!key.empty()) {
      by_key_[key] = grant.session.id();
    }
    grant.session.set_user(user);
    pool_.Show(grant.session);
    reply->grant = std::move(grant);
    admitted_ms_.push_back(now.ms);
    return std::nullopt;
  }
  if (objection->kind != Objection::Kind::kNoCapacity || request.wait_seconds() == 0) {
    return objection;
  }
  if (key.empty()) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "who waits needs an idempotencyKey, by which it is known when it asks again"};
  }
  ticket.id = Pool::FreshId();
  ticket.reason = objection->detail;
  if (!queue_.Join(ticket)) {
    return NoPlace("QueueFull", std::to_string(queue_.size()) + " wait already");
  }
  Waiting& waiting = waiting_[ticket.id];
  waiting.request = request;
  waiting.request.set_may_probe(false);  // when its turn has come, it takes what there is
  KeepUnreachable(&waiting.request);
  waiting.user = user;
  by_key_[key] = ticket.id;
  counted_ms_ = 0;
  reply->waiting = SessionOf(ticket, waiting);
  pool_.Show(reply->waiting);
  reply->place = PlaceOf(*queue_.Find(ticket.id), now);
  for (const std::string& line : objection->explain) {
    reply->place.add_reasons(line);
  }
  return std::nullopt;
}

void AdmissionDesk::Abandon(const std::string& id) {
  pool_.Abandon(id);
  queue_.Leave(id);
  waiting_.erase(id);
}

bool AdmissionDesk::Cancel(const std::string& id, const Pool::Now& now, v1::Session* session) {
  if (queue_.Find(id) == nullptr) {
    return false;
  }
  Consequences consequences;
  Drop(id, v1::RELEASED, "released", now, &consequences);
  *session = consequences.changed.front();
  return true;
}

void AdmissionDesk::Drop(const std::string& id,
                         v1::Phase phase,
                         const std::string& why,
                         const Pool::Now& now,
                         Consequences* to) {
  queue_.Leave(id);
  waiting_.erase(id);
  holds_.erase(id);
  std::erase_if(limits_held_, [&id](const auto& held) { return held.second == id; });
  seen_changes_ = 0;  // what was held for him is there for others
  counted_ms_ = 0;
  to->changed.push_back(pool_.EndWaiting(id, phase, why, now));
}

std::vector<std::string> AdmissionDesk::KeptOut(const Ticket& ticket, const Pool::Now& now) const {
  std::vector<std::string> servers;
  for (const auto& [id, hold] : holds_) {
    const bool own = id == ticket.id || hold.priority < ticket.priority;
    if (!own && !MayFillIn(ticket.runs_ms, hold.start_ms, now.ms)) {
      servers.push_back(hold.server);
    }
  }
  return servers;
}

// Somebody older waits at a limit that this one would have something of.
bool AdmissionDesk::IsBlocked(const Ticket& ticket, std::string* why) const {
  if (limits_held_.empty()) {
    return false;
  }
  const TenantTree& tenants = pool_.tenants();
  const bool entitled = tenants.IsEntitled(ticket.project, ticket.amount);
  for (uint32_t at = ticket.project;; at = tenants.ParentOf(at)) {
    const auto held = limits_held_.find(at);
    const bool concerns = at != TenantTree::kPool || !entitled;
    if (held != limits_held_.end() && held->second != ticket.id && concerns) {
      const Ticket* const holder = queue_.Find(held->second);
      if (holder != nullptr && holder->priority >= ticket.priority) {
        *why = "session " + held->second.substr(0, 8) +
               ", which has waited longer, needs what is left";
        return true;
      }
    }
    if (at == TenantTree::kPool) {
      return false;
    }
  }
}

std::optional<Objection> AdmissionDesk::TryPlace(const Ticket& ticket,
                                                 const v1::CreateSessionRequest& request,
                                                 const std::string& id,
                                                 uint64_t epoch,
                                                 const Pool::Now& now,
                                                 Pool::Grant* grant) {
  if (std::string why; IsBlocked(ticket, &why)) {
    return NoPlace("OverQuota", why);
  }
  const std::vector<std::string> kept_out = KeptOut(ticket, now);
  const uint64_t shape = Mixed(ticket.shape, kept_out);
  if (!id.empty() && stuck_.contains(shape)) {
    // Said before, of another like it; the tenant's own reasons come first.
    const auto refusal = pool_.tenants().Check(ticket.project, ticket.amount);
    return refusal.has_value() ? NoPlace("OverQuota", pool_.tenants().Text(*refusal))
                               : NoPlace("NoServer", "no server has room for it now");
  }
  auto objection = pool_.Draft(request, epoch, now, grant, id, kept_out);
  if (objection.has_value() && objection->reason == "NoServer" &&
      pool_.room_changes() == seen_changes_) {
    stuck_.insert(shape);
  }
  return objection;
}

void AdmissionDesk::Admit(Ticket* ticket, Pool::Grant grant, const Pool::Now& now) {
  const std::string id = ticket->id;
  Waiting& waiting = waiting_[id];
  grant.session.set_user(waiting.user);
  grant.session.set_queued_ms(ticket->since_ms);
  pool_.Show(grant.session);  // with whose it is
  waiting.grant = std::move(grant);
  waiting.granted_ms = now.ms;
  admitted_ms_.push_back(now.ms);
  holds_.erase(id);
  std::erase_if(limits_held_, [&id](const auto& held) { return held.second == id; });
  queue_.Leave(id);
}

}  // namespace farlane::pool
