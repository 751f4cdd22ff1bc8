// SPDX-License-Identifier: Apache-2.0
// The part of PoolHost that grants sessions: a place is found, stored, and only then told; and who
// asks for the same again gets the same again.
#include <unistd.h>

#include "pool-manager/daemon/pool_host.h"
#include "pool-manager/store/state_store.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

// A store that does not say whether it has a session is asked again for so long.
constexpr uint64_t kSureNs = 8'000'000'000;
constexpr useconds_t kPauseUs = 100'000;

const v1::Session& SessionOf(const AdmissionDesk::Reply& reply) {
  return reply.grant.has_value() ? reply.grant->session : reply.waiting;
}

}  // namespace

// `is_new` of the reply: it is to be stored before anybody is told, and nobody else stores it now.
std::optional<Objection> PoolHost::Ask(State& state,
                                       const v1::CreateSessionRequest& request,
                                       const std::string& user,
                                       AdmissionDesk::Reply* reply,
                                       AdmissionDesk::Consequences* consequences) const {
  auto objection = state.desk.Ask(request, user, store_->epoch(), TakeNow(), reply, consequences);
  Tell(state, consequences->orders);
  const std::string& id = SessionOf(*reply).id();
  if (objection.has_value() || id.empty()) {
    return objection;
  }
  if (state.storing.contains(id)) {
    return Objection{Objection::Kind::kUnavailable, "Retry",
                     "the same request is being answered now"};
  }
  reply->is_new |= state.unsure.contains(id);
  if (reply->is_new) {
    state.storing.insert(id);
  }
  return std::nullopt;
}

std::optional<Objection> PoolHost::Create(const v1::CreateSessionRequest& request,
                                          const std::string& user,
                                          v1::CreateSessionResponse* response) {
  AdmissionDesk::Reply reply;
  AdmissionDesk::Consequences consequences;
  auto objection =
      state_.With([&](State& state) { return Ask(state, request, user, &reply, &consequences); });
  saver_.SaveSoon(consequences.changed);
  if (objection.has_value()) {
    return objection;
  }
  if (!reply.candidates.empty()) {
    for (v1::Candidate& candidate : reply.candidates) {
      *response->add_candidates() = std::move(candidate);
    }
    return std::nullopt;
  }
  if (reply.is_new) {
    if (auto why = Keep(SessionOf(reply))) {
      return why;
    }
  }
  *response->mutable_session() = SessionOf(reply);
  if (!reply.grant.has_value()) {
    *response->mutable_place() = std::move(reply.place);
    return std::nullopt;
  }
  return SignTokens(*reply.grant, response);
}

std::optional<Objection> PoolHost::SignTokens(const Pool::Grant& grant,
                                              v1::CreateSessionResponse* response) const {
  const Result<std::string> token = keys_.Sign(grant.token);
  if (!token.ok()) {
    return Objection{Objection::Kind::kUnavailable, "NoToken", token.error().message()};
  }
  for (const token::SessionToken& one : grant.more_tokens) {
    const Result<std::string> more = keys_.Sign(one);
    if (!more.ok()) {
      return Objection{Objection::Kind::kUnavailable, "NoToken", more.error().message()};
    }
    response->add_more_tokens(more.value());
  }
  response->set_token(token.value());
  return std::nullopt;
}

// What nobody stored, nobody is told of.
std::optional<Objection> PoolHost::Keep(const v1::Session& session) {
  const farlane::Status stored = SaveSurely(session);
  const bool has_changed = state_.With([&](State& state) {
    const bool was_unsure = state.unsure.contains(session.id());
    state.storing.erase(session.id());
    if (stored.ok()) {
      state.unsure.erase(session.id());
    } else if (stored.code() == store_error::kUnknown || was_unsure) {
      // It keeps its place: who asks again under the same key gets it, else it expires.
      state.unsure.insert(session.id());
    } else {
      state.desk.Abandon(session.id());
    }
    const v1::Session* const now = state.pool.FindSession(session.id());
    return now != nullptr && now->phase() != session.phase();
  });
  if (has_changed) {
    saver_.SaveSoon({session});  // what became of it meanwhile must not be lost under this
  }
  if (stored.ok()) {
    return std::nullopt;
  }
  LogError("a session cannot be granted: %s", stored.message().c_str());
  return Objection{Objection::Kind::kUnavailable, "StoreFailed", stored.message()};
}

// Once it is not known whether the store has it, only that it is taken says anything: what was sent
// before may still arrive. To store the same again does no harm.
farlane::Status PoolHost::SaveSurely(const v1::Session& session) {
  const uint64_t until_ns = NowNs() + kSureNs;
  farlane::Status stored = store_->Save(session);
  if (stored.ok() || stored.code() != store_error::kUnknown) {
    return stored;
  }
  while (!stored.ok() && stored.code() != store_error::kFenced && NowNs() < until_ns) {
    usleep(kPauseUs);
    stored = store_->Save(session);
  }
  return stored.ok() || stored.code() == store_error::kFenced
             ? stored
             : farlane::Status(store_error::kUnknown, stored.message());
}

// One at a time: while the store hangs, each takes a while.
void PoolHost::SaveUnsure() {
  std::optional<v1::Session> session;
  state_.With([&](State& state) {
    for (auto id = state.unsure.begin(); id != state.unsure.end() && !session.has_value();) {
      const v1::Session* const found = state.pool.FindSession(*id);
      if (found == nullptr) {
        id = state.unsure.erase(id);
        continue;
      }
      session = state.storing.contains(*id) ? std::nullopt : std::optional(*found);
      ++id;
    }
  });
  if (session.has_value() && store_->Save(*session).ok()) {
    state_.With([&](State& state) { state.unsure.erase(session->id()); });
  }
}

}  // namespace farlane::pool
