// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/pool_host.h"

#include <cstring>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

// Two managers' keys have different numbers, unless chance wills it; then the signatures differ.
uint32_t IdOf(const token::PublicKey& key) {
  uint32_t id = 0;
  memcpy(&id, key.data(), sizeof id);
  return id;
}

int64_t WallMs() {
  const timespec now = WallTime();
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

PoolHost::PoolHost(Settings settings,
                   std::unique_ptr<SessionStore> store,
                   const token::SigningKey& key)
    : settings_(std::move(settings)),
      store_(std::move(store)),
      key_(key),
      key_id_(IdOf(key.public_key())),
      started_ms_(WallMs()),
      started_ns_(NowNs()),
      saver_(*store_,
             {.find = [this](const std::string& id) { return FindSession(id); },
              .learned = [this] { return TakeProfiles(); }}) {}

Pool::Now PoolHost::TakeNow() const {
  const uint64_t ns = NowNs();
  return {.ns = ns,
          .ms = WallMs(),
          .pool_ms = started_ms_ + static_cast<int64_t>((ns - started_ns_) / 1'000'000)};
}

Result<std::unique_ptr<PoolHost>> PoolHost::Open(Settings settings,
                                                 std::unique_ptr<SessionStore> store,
                                                 const token::SigningKey& key) {
  FARLANE_ASSIGN(std::vector<v1::Session> sessions, store->Load());
  FARLANE_ASSIGN(const std::vector<v1::Profile> profiles, store->LoadProfiles());
  std::unique_ptr<PoolHost> host(new PoolHost(std::move(settings), std::move(store), key));
  host->state_.With([&](State& state) {
    state.pool.Restore(std::move(sessions));
    state.pool.RestoreProfiles(profiles);
  });
  return host;
}

void PoolHost::Close() {
  state_.With([](State& state) {
    state.closed = true;
    for (const auto& [attachment, line] : state.lines) {
      line->End();
    }
  });
}

void PoolHost::Tell(State& state, const std::vector<Order>& orders) const {
  for (const Order& order : orders) {
    const auto line = state.lines.find(order.attachment);
    if (line != state.lines.end()) {
      v1::ToServer say = order.say;
      say.set_epoch(store_->epoch());
      say.set_now_ms(TakeNow().pool_ms);
      line->second->Say(std::move(say));
    }
  }
}

std::string PoolHost::Attach(const v1::Inventory& inventory,
                             uint64_t attachment,
                             ServerLine* line) {
  v1::ToServer say;
  say.set_epoch(store_->epoch());
  say.set_now_ms(TakeNow().pool_ms);
  v1::ToServer::Welcome* const welcome = say.mutable_welcome();
  welcome->set_pool(settings_.name);
  welcome->set_report_ms(settings_.report_ms);
  v1::ToServer::Key* const key = welcome->mutable_keys()->add_keys();
  key->set_id(key_id_);
  key->set_public_key(key_.public_key().data(), key_.public_key().size());
  return state_.With([&](State& state) {
    if (state.closed) {
      return std::string("this manager does not lead the pool any more");
    }
    std::string why = state.pool.Attach(inventory, attachment, TakeNow());
    if (why.empty()) {
      state.lines[attachment] = line;
      for (std::string& id : state.pool.Reserved(inventory.server_id())) {
        welcome->add_reserved_sessions(std::move(id));
      }
      line->Say(std::move(say));
      LogInfo("server \"%s\" (%s) with %d devices has come", inventory.name().c_str(),
              inventory.server_id().c_str(), inventory.devices_size());
    }
    return why;
  });
}

void PoolHost::Hear(const std::string& server, uint64_t attachment, const v1::Load& load) {
  std::vector<v1::Session> changed;
  state_.With([&](State& state) {
    Tell(state, state.pool.Hear(server, attachment, load, TakeNow(), &changed));
  });
  saver_.SaveSoon(changed);
}

void PoolHost::Detach(const std::string& server, uint64_t attachment) {
  state_.With([&](State& state) {
    state.lines.erase(attachment);
    state.pool.Detach(server, attachment, TakeNow());
  });
}

std::optional<Objection> PoolHost::Create(const v1::CreateSessionRequest& request,
                                          const std::string& user,
                                          v1::CreateSessionResponse* response) {
  Pool::Grant grant;
  if (auto objection = state_.With([&](State& state) {
        return state.pool.Draft(request, store_->epoch(), TakeNow(), &grant);
      })) {
    return objection;
  }
  if (!grant.candidates.empty()) {
    for (v1::Candidate& candidate : grant.candidates) {
      *response->add_candidates() = std::move(candidate);
    }
    return std::nullopt;
  }
  grant.session.set_user(user);
  grant.token.key_id = key_id_;
  const Result<std::string> token = token::SignToken(grant.token, key_);
  const farlane::Status stored =
      token.ok() ? store_->Save(grant.session) : farlane::Status(token.error());
  if (!stored.ok()) {
    LogError("a session cannot be granted: %s", stored.message().c_str());
    state_.With([&](State& state) { state.pool.Abandon(grant.session.id()); });
    return Objection{Objection::Kind::kUnavailable, "StoreFailed", stored.message()};
  }
  *response->mutable_session() = std::move(grant.session);
  response->set_token(token.value());
  return std::nullopt;
}

std::optional<Objection> PoolHost::Consider(const v1::CreateSessionRequest& request,
                                            v1::Placement* placement) const {
  return state_.With(
      [&](const State& state) { return state.pool.Consider(request, TakeNow(), placement); });
}

std::optional<Objection> PoolHost::Release(const std::string& id, v1::Session* session) {
  auto objection = state_.With([&](State& state) {
    std::vector<Order> orders;
    auto problem = state.pool.Release(id, TakeNow(), session, &orders);
    Tell(state, orders);
    return problem;
  });
  if (!objection.has_value()) {
    saver_.Save(id);
  }
  return objection;
}

std::optional<Objection> PoolHost::Cordon(const std::string& name, bool cordoned) {
  return state_.With([&](State& state) { return state.pool.Cordon(name, cordoned); });
}

void PoolHost::Look() {
  std::vector<v1::Session> changed;
  state_.With([&](State& state) { state.pool.Look(TakeNow(), &changed); });
  saver_.SaveSoon(changed);
}

std::vector<v1::Session> PoolHost::Sessions() const {
  return state_.With([](const State& state) { return state.pool.Sessions(); });
}

std::optional<v1::Session> PoolHost::FindSession(const std::string& name) const {
  return state_.With([&](const State& state) {
    const v1::Session* const found = state.pool.FindSession(name);
    return found == nullptr ? std::nullopt : std::optional(*found);
  });
}

std::vector<v1::Server> PoolHost::Servers() const {
  return state_.With([](const State& state) { return state.pool.Servers(); });
}

std::vector<v1::Profile> PoolHost::TakeProfiles() {
  return state_.With([](State& state) { return state.pool.TakeProfiles(); });
}

v1::PoolStatus PoolHost::Status() const {
  v1::PoolStatus status = state_.With([](const State& state) { return state.pool.Status(); });
  status.set_pool(settings_.name);
  status.set_version(FARLANE_VERSION);
  status.set_epoch(store_->epoch());
  status.set_leader(true);
  status.set_store(store_->kind());
  status.set_started_ms(started_ms_);
  return status;
}

}  // namespace farlane::pool
