// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/pool_host.h"

#include <charconv>
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

// Keys of sessions that are not shown any more are forgotten when there are so many.
constexpr size_t kKeysMax = 100'000;

int64_t WallMs() {
  const timespec now = WallTime();
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

Pool::Now TakeNow() {
  return {.ns = NowNs(), .ms = WallMs()};
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
      session_desk_([this] { return Sessions(); },
                    [](const v1::Session& session) { return session.id(); }),
      server_desk_([this] { return Servers(); },
                   [](const v1::Server& server) { return server.inventory().server_id(); }) {}

Result<std::unique_ptr<PoolHost>> PoolHost::Open(Settings settings,
                                                 std::unique_ptr<SessionStore> store,
                                                 const token::SigningKey& key) {
  FARLANE_ASSIGN(std::vector<v1::Session> sessions, store->Load());
  FARLANE_ASSIGN(const std::vector<v1::ServerOrders> orders, store->LoadOrders());
  std::unique_ptr<PoolHost> host(new PoolHost(std::move(settings), std::move(store), key));
  host->state_.With([&](State& state) {
    state.keys.Keep(sessions);
    state.pool.Restore(std::move(sessions));
    state.pool.RestoreOrders(orders);
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

void PoolHost::Tell(State& state, uint64_t epoch, const std::vector<Order>& orders) {
  for (const Order& order : orders) {
    const auto line = state.lines.find(order.attachment);
    if (line != state.lines.end()) {
      v1::ToServer say = order.say;
      say.set_epoch(epoch);
      line->second->Say(std::move(say));
    }
  }
}

std::string PoolHost::Attach(const v1::Inventory& inventory,
                             uint64_t attachment,
                             ServerLine* line) {
  v1::ToServer say;
  say.set_epoch(store_->epoch());
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
    Tell(state, store_->epoch(), state.pool.Hear(server, attachment, load, TakeNow(), &changed));
  });
  Save(changed);
}

void PoolHost::Detach(const std::string& server, uint64_t attachment) {
  state_.With([&](State& state) {
    state.lines.erase(attachment);
    state.pool.Detach(server, attachment, TakeNow());
  });
}

std::optional<Objection> PoolHost::Consider(const v1::CreateSessionRequest& request,
                                            v1::Placement* placement) const {
  return state_.With([&](const State& state) { return state.pool.Consider(request, placement); });
}

std::optional<Objection> PoolHost::Release(const std::string& id, v1::Session* session) {
  auto objection = state_.With([&](State& state) {
    std::vector<Order> orders;
    auto problem = state.pool.Release(id, TakeNow(), session, &orders);
    Tell(state, store_->epoch(), orders);
    return problem;
  });
  if (!objection.has_value()) {
    Save({*session});
  }
  return objection;
}

std::optional<Objection> PoolHost::ChangeOrders(const std::string& server,
                                                const OrdersChange& change) {
  return orders_turn_.With([&](OrdersTurn& /*turn*/) -> std::optional<Objection> {
    std::optional<v1::ServerOrders> orders =
        state_.With([&](const State& state) { return state.pool.OrdersFor(server); });
    if (!orders.has_value()) {
      return Objection{Objection::Kind::kNotFound, "NotFound",
                       "there is no server \"" + server + "\""};
    }
    if (const std::optional<std::string> why = change(&*orders)) {
      return Objection{Objection::Kind::kInvalid, "Invalid", *why};
    }
    if (const farlane::Status stored = store_->SaveOrders(*orders); !stored.ok()) {
      return Objection{Objection::Kind::kUnavailable, "StoreFailed", stored.message()};
    }
    state_.With([&](State& state) { state.pool.SetOrders(*orders, TakeNow()); });
    return std::nullopt;
  });
}

// What is not stored now is found again when the session's server is heard: nothing is lost by it.
void PoolHost::Save(const std::vector<v1::Session>& sessions) {
  for (const v1::Session& session : sessions) {
    if (const farlane::Status status = store_->Save(session); !status.ok()) {
      LogWarn("what has become of session %s cannot be stored: %s", session.id().c_str(),
              status.message().c_str());
    }
  }
}

void PoolHost::Look() {
  std::vector<v1::Session> changed;
  state_.With([&](State& state) {
    state.pool.Look(TakeNow(), &changed);
    std::vector<Order> orders;
    state.pool.LookAtDrains(TakeNow(), &changed, &orders);
    Tell(state, store_->epoch(), orders);
    if (state.keys.size() > kKeysMax) {
      state.keys.Keep(state.pool.Sessions());
    }
  });
  Save(changed);
  SaveUnsure();
}

bool PoolHost::IsClosed() const {
  return state_.With([](const State& state) { return state.closed; });
}

std::string PoolHost::VersionText(uint64_t version) const {
  return std::to_string(store_->epoch()) + "-" + std::to_string(version);
}

std::optional<uint64_t> PoolHost::ParseVersion(const std::string& text) const {
  const std::string own = std::to_string(store_->epoch()) + "-";
  uint64_t version = 0;
  const char* const end = text.data() + text.size();
  const bool is_own = text.starts_with(own);
  const auto read = std::from_chars(text.data() + (is_own ? own.size() : 0), end, version);
  return is_own && read.ec == std::errc() && read.ptr == end ? std::optional(version)
                                                             : std::nullopt;
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
