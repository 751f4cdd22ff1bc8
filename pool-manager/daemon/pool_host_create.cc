// SPDX-License-Identifier: Apache-2.0
// The part of PoolHost that grants sessions: a place is drafted, stored, and only then told; and
// who asks for the same again gets the same again.
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

Pool::Now TakeNow() {
  const timespec now = WallTime();
  return {.ns = NowNs(), .ms = int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000};
}

}  // namespace

std::optional<Objection> PoolHost::Draft(State& state,
                                         const v1::CreateSessionRequest& request,
                                         const std::string& user,
                                         Pool::Grant* grant) const {
  const std::string& key = request.idempotency_key();
  if (!key.empty()) {
    if (!IsRequestKey(key)) {
      return Objection{Objection::Kind::kInvalid, "Invalid",
                       "an idempotency key is 1 to 255 printable characters without spaces"};
    }
    const std::optional<std::string> id = state.keys.Find(user, key);
    const v1::Session* const session = id.has_value() ? state.pool.FindSession(*id) : nullptr;
    if (session != nullptr) {
      return DraftAgain(state, *session, request, grant);
    }
    grant->session.set_idempotency_key(key);
    grant->session.set_request_digest(DigestOf(request));
  }
  grant->session.set_user(user);
  auto objection = state.pool.Draft(request, store_->epoch(), TakeNow(), grant);
  if (!objection.has_value()) {
    state.keys.Note(grant->session);
    state.storing.insert(grant->session.id());
  }
  return objection;
}

std::optional<Objection> PoolHost::DraftAgain(State& state,
                                              const v1::Session& session,
                                              const v1::CreateSessionRequest& request,
                                              Pool::Grant* grant) const {
  if (session.request_digest() != DigestOf(request)) {
    return Objection{Objection::Kind::kOtherRequest, "KeyReused",
                     "something else was asked for under the same idempotency key before"};
  }
  if (!Pool::IsLive(session)) {
    return Objection{Objection::Kind::kConflict, "Over",
                     "session " + session.id() + ", which this request has got, is over: " +
                         v1::Phase_Name(session.phase()) + ", " + session.reason()};
  }
  if (state.storing.contains(session.id())) {
    return Objection{Objection::Kind::kUnavailable, "Retry",
                     "the same request is being answered now"};
  }
  *grant = state.pool.GrantAgain(session, TakeNow());
  // Servers take no token of a manager that leads no more.
  grant->token.epoch = store_->epoch();
  if (state.unsure.contains(session.id())) {
    state.storing.insert(session.id());
  }
  return std::nullopt;
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

// A session that is being stored: what becomes of it.
farlane::Status PoolHost::SaveGrant(const v1::Session& session) {
  farlane::Status stored = SaveSurely(session);
  state_.With([&](State& state) {
    const bool was_unsure = state.unsure.contains(session.id());
    state.storing.erase(session.id());
    if (stored.ok()) {
      state.unsure.erase(session.id());
    } else if (stored.code() == store_error::kUnknown || was_unsure) {
      // It keeps its place: who asks again under the same key gets it, else it expires.
      state.unsure.insert(session.id());
    } else {
      state.pool.Abandon(session.id());
      state.keys.Forget(session);
    }
  });
  return stored;
}

std::optional<Objection> PoolHost::Create(const v1::CreateSessionRequest& request,
                                          const std::string& user,
                                          v1::CreateSessionResponse* response) {
  Pool::Grant grant;
  bool is_stored = true;
  if (auto objection = state_.With([&](State& state) {
        auto problem = Draft(state, request, user, &grant);
        is_stored = !state.storing.contains(grant.session.id());
        return problem;
      })) {
    return objection;
  }
  grant.token.key_id = key_id_;
  const farlane::Status stored = is_stored ? farlane::Status::Ok() : SaveGrant(grant.session);
  if (!stored.ok()) {
    LogError("a session cannot be granted: %s", stored.message().c_str());
    return Objection{Objection::Kind::kUnavailable, "StoreFailed", stored.message()};
  }
  const Result<std::string> token = token::SignToken(grant.token, key_);
  if (!token.ok()) {
    return Objection{Objection::Kind::kUnavailable, "NoToken", token.error().message()};
  }
  *response->mutable_session() = std::move(grant.session);
  response->set_token(token.value());
  return std::nullopt;
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
