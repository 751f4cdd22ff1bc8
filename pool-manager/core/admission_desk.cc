// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/admission_desk.h"

#include <algorithm>
#include <utility>

#include "pool-manager/core/request_key.h"
#include "pool-manager/core/session_parts.h"
#include "pool-manager/core/session_request.h"
#include "pool-manager/tenancy/room_forecast.h"
#include "protocol/base/slice.h"

namespace farlane::pool {
namespace {

std::string KeyOf(const std::string& user, const std::string& key) {
  return key.empty() ? "" : user + "\n" + key;
}

// How long one may still wait who waited under another manager. If by this one's clock he has more
// left than he had at first, or nothing, one of the clocks is wrong: then he has all of it again.
int64_t WaitLeft(const v1::Session& session, int64_t now_ms) {
  const int64_t whole_ms = std::max<int64_t>(session.queue_until_ms() - session.queued_ms(), 0);
  const int64_t left_ms = session.queue_until_ms() - now_ms;
  return left_ms <= 0 || left_ms > whole_ms ? whole_ms : left_ms;
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
  shape.clear_start_within_s();
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

constexpr char kNoRoomNow[] = "no server has room for it now";

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
  session.set_reason(ReasonOf(ticket));
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
  const Wanted wanted = pool_.WantedOf(request.spec(), project);
  ticket->project = project;
  ticket->priority = wanted.priority;
  ticket->amount = wanted.amount;
  ticket->shape = ShapeOf(request.spec());
  ticket->since_ms = now.ms;
  ticket->asked_ms = now.ms;
  const uint32_t seconds = std::min(request.wait_seconds(), kQueueSecondsMax);
  ticket->until_ms = now.ms + 1000 * int64_t{seconds};
  if (const int64_t within_s = request.spec().start_within_s(); within_s != 0) {
    ticket->due_ms = now.ms + 1000 * within_s;
    ticket->until_ms = std::min(ticket->until_ms, ticket->due_ms);
  }
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
    *waiting.request.mutable_part_key_digests() = session.part_key_digests();
    waiting.request.set_idempotency_key(session.idempotency_key());
    Ticket ticket{.id = session.id()};
    if (MakeTicket(waiting.request, now, &ticket).has_value()) {
      continue;  // its project is gone; Look drops it
    }
    ticket.since_ms = std::min(session.queued_ms(), now.ms);
    ticket.until_ms = now.ms + WaitLeft(session, now.ms);
    if (ticket.due_ms != Ticket::kNever) {
      ticket.due_ms = ticket.until_ms;  // whoever's clock it was, he has not waited longer
    }
    static_cast<void>(Enqueue(std::move(ticket), std::move(waiting)));  // as many as there were
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
  const std::vector<std::string> servers = ServersOf(*session);
  if (session->phase() == v1::RESERVED &&
      !std::all_of(servers.begin(), servers.end(),
                   [this](const std::string& server) { return pool_.IsReady(server); })) {
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
  began_ms_ = began_ms_ == 0 ? now.ms : began_ms_;
  PassWhereRoomIs(epoch, now, consequences);  // whoever waits is before whoever comes
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
  auto objection = TryPlace(&ticket, request, "", epoch, now, &grant);
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
  if (objection->kind == Objection::Kind::kNoCapacity) {
    if (auto never = WhyNever(request, now)) {
      return never;
    }
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
  Waiting waiting{.request = request, .user = user};
  waiting.request.set_may_probe(false);  // when its turn has come, it takes what there is
  KeepUnreachable(&waiting.request);
  reply->waiting = SessionOf(ticket, waiting);
  if (!Enqueue(ticket, std::move(waiting))) {
    return NoPlace("QueueFull", std::to_string(queue_.size()) + " wait already");
  }
  by_key_[key] = ticket.id;
  if (queue_.size() < kCountedAtOnce) {
    counted_ms_ = 0;  // else he is told that he is the last one until all are counted again
  }
  pool_.Show(reply->waiting);
  reply->place = PlaceOf(*queue_.Find(ticket.id), now);
  for (const std::string& line : objection->explain) {
    reply->place.add_reasons(line);
  }
  return std::nullopt;
}

// Only a new server would help, and he has not said that he waits for one. A manager that has begun
// a moment ago does not know yet who is there.
std::optional<Objection> AdmissionDesk::WhyNever(const v1::CreateSessionRequest& request,
                                                 const Pool::Now& now) const {
  if (request.await_servers() || now.ms - began_ms_ < settings_.servers_return_ms) {
    return std::nullopt;
  }
  const std::optional<std::string> why = pool_.WhyNever(request);
  return why.has_value() ? std::optional(Objection{Objection::Kind::kInvalid, "NeverFits", *why})
                         : std::nullopt;
}

// It has a place among those who wait, and is counted with those who want the same.
bool AdmissionDesk::Enqueue(Ticket ticket, Waiting waiting) {
  const std::string id = ticket.id;
  const uint64_t shape = ticket.shape;
  const uint32_t refused_at = std::exchange(ticket.refused_at, Ticket::kNobody);
  if (!queue_.Join(std::move(ticket))) {
    return false;
  }
  SetRefused(queue_.Find(id), refused_at);
  Shape& same = shapes_[shape];
  if (same.waiting++ == 0) {
    same.sample = waiting.request;
  }
  waiting_[id] = std::move(waiting);
  return true;
}

void AdmissionDesk::Dequeue(const std::string& id) {
  Ticket* const ticket = queue_.Find(id);
  if (ticket == nullptr) {
    return;
  }
  SetRefused(ticket, Ticket::kNobody);
  const auto same = shapes_.find(ticket->shape);
  if (same != shapes_.end() && --same->second.waiting == 0) {
    open_.erase(same->first);
    shapes_.erase(same);
  }
  queue_.Leave(id);
}

void AdmissionDesk::SetRefused(Ticket* ticket, uint32_t tenant) {
  if (ticket->refused_at == tenant) {
    return;
  }
  const auto before = refused_.find(ticket->refused_at);
  if (before != refused_.end() && --before->second == 0) {
    refused_.erase(before);
  }
  ticket->refused_at = tenant;
  if (tenant != Ticket::kNobody) {
    ++refused_[tenant];
  }
}

std::string AdmissionDesk::ReasonOf(const Ticket& ticket) const {
  return ticket.refusal.has_value() ? pool_.tenants().Text(*ticket.refusal) : ticket.reason;
}

void AdmissionDesk::Abandon(const std::string& id) {
  pool_.Abandon(id);
  Dequeue(id);
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
  Dequeue(id);
  waiting_.erase(id);
  const size_t held = holds_.erase(id) + std::erase_if(limits_held_, [&id](const auto& one) {
                        return one.second == id;
                      });
  if (held != 0) {
    seen_changes_ = 0;  // what was held for him is there for others
  }
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
std::optional<uint32_t> AdmissionDesk::BlockedAt(const Ticket& ticket, std::string* why) const {
  if (limits_held_.empty()) {
    return std::nullopt;
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
        return at;
      }
    }
    if (at == TenantTree::kPool) {
      return std::nullopt;
    }
  }
}

// Who waits (`id` is not empty) is looked at often: what his tenant may not have, and what was said
// of another like him, costs little, and is put in words only for who asks.
std::optional<Objection> AdmissionDesk::TryPlace(Ticket* ticket,
                                                 const v1::CreateSessionRequest& request,
                                                 const std::string& id,
                                                 uint64_t epoch,
                                                 const Pool::Now& now,
                                                 Pool::Grant* grant) {
  const bool waits = !id.empty();
  ticket->refusal.reset();
  const auto wait_for = [&](uint32_t tenant) {
    if (waits) {
      SetRefused(ticket, tenant);
    } else {
      ticket->refused_at = tenant;  // it is counted when it is in the queue
    }
  };
  std::string why;
  if (const std::optional<uint32_t> tenant = BlockedAt(*ticket, &why)) {
    wait_for(*tenant);
    return NoPlace("OverQuota", why);
  }
  const auto refusal = pool_.tenants().Check(ticket->project, ticket->amount);
  wait_for(refusal.has_value() ? refusal->tenant : Ticket::kNobody);
  if (refusal.has_value() && waits) {
    ticket->refusal = refusal;
    return NoPlace("OverQuota", "");
  }
  const std::vector<std::string> kept_out = KeptOut(*ticket, now);
  const uint64_t shape = Mixed(ticket->shape, kept_out);
  if (waits && stuck_.contains(shape)) {
    return NoPlace("NoServer", kNoRoomNow);
  }
  auto objection = pool_.Draft(request, epoch, now, grant, id, kept_out);
  if (objection.has_value() && objection->reason == "NoServer" &&
      pool_.room_changes() == seen_changes_) {
    stuck_[shape] = ticket->shape;
    if (kept_out.empty()) {
      open_.erase(ticket->shape);
    }
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
  Dequeue(id);
}

}  // namespace farlane::pool
