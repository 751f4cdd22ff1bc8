// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/pool.h"

#include <algorithm>
#include <array>

#include <sys/random.h>

#include "protocol/base/check.h"
#include "protocol/base/slice.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

std::string FreshId() {
  std::array<uint8_t, 16> id{};
  FARLANE_CHECK(getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return control::Hex(id);
}

Result<SliceRequest> ToSlice(const v1::SliceSpec& spec) {
  SliceRequest slice{};
  slice.memory_bytes = spec.memory_bytes();
  const bool shares_fit =
      spec.share() >= 0 && spec.share() <= 1 && spec.share_limit() >= 0 && spec.share_limit() <= 1;
  if (!shares_fit) {
    return farlane::Status(StatusCode::kInvalidArgument, "a share is a number from 0 to 1");
  }
  slice.share = static_cast<uint32_t>(spec.share() * kWholeShare);
  slice.share_limit = static_cast<uint32_t>(spec.share_limit() * kWholeShare);
  if (!spec.priority().empty()) {
    FARLANE_ASSIGN(slice.priority, ParsePriority(spec.priority()));
  }
  FARLANE_TRY(CheckSlice(slice));
  return slice;
}

std::string Gibibytes(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

std::optional<Objection> ReadRequest(const v1::CreateSessionRequest& request,
                                     token::SessionToken* token) {
  const Result<SliceRequest> slice = ToSlice(request.spec().slice());
  if (!slice.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", slice.error().message()};
  }
  token->slice = slice.value();
  if (!control::FromHex(request.key_digest(), token->key_digest)) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "keyDigest must be the SHA-256 of the session's key, 64 hexadecimal digits"};
  }
  return std::nullopt;
}

}  // namespace

bool Pool::IsLive(const v1::Session& session) {
  return session.phase() == v1::RESERVED || session.phase() == v1::ACTIVE ||
         session.phase() == v1::UNKNOWN;
}

void Pool::Restore(std::vector<v1::Session> sessions) {
  for (v1::Session& session : sessions) {
    if (IsLive(session)) {
      session.set_phase(v1::UNKNOWN);
      session.set_reason("its server has not come back yet");
    }
    const std::string id = session.id();
    sessions_[id] = std::move(session);
  }
}

std::string Pool::Attach(const v1::Inventory& inventory, uint64_t attachment, const Now& now) {
  return servers_.Attach(inventory, attachment, now.ns, now.ms);
}

void Pool::Detach(const std::string& server, uint64_t attachment, const Now& now) {
  servers_.Detach(server, attachment, now.ms);
}

void Pool::End(v1::Session* session, v1::Phase phase, const std::string& why, const Now& now) {
  session->set_phase(phase);
  session->set_reason(why);
  session->set_ended_ms(now.ms);
}

std::vector<Order> Pool::Hear(const std::string& server,
                              uint64_t attachment,
                              const v1::Load& load,
                              const Now& now,
                              std::vector<v1::Session>* changed) {
  std::vector<Order> orders;
  if (!servers_.Hear(server, attachment, load, now.ns)) {
    return orders;
  }
  std::map<std::string, const v1::SessionLoad*> seen;
  for (const v1::SessionLoad& one : load.sessions()) {
    seen[one.session_id()] = &one;
  }
  for (auto& [id, session] : sessions_) {
    if (session.server_id() != server) {
      continue;
    }
    const auto found = seen.find(id);
    if (found == seen.end()) {
      // What is reserved has time until its token expires; what was there and is not is over.
      if (session.phase() == v1::ACTIVE) {
        End(&session, v1::RELEASED, "its last process has ended", now);
        changed->push_back(session);
      } else if (session.phase() == v1::UNKNOWN) {
        End(&session, v1::EXPIRED, "it had ended when its server came back", now);
        changed->push_back(session);
      }
      continue;
    }
    *session.mutable_load() = *found->second;
    if (!IsLive(session)) {
      v1::ToServer say;
      say.mutable_end_session()->set_session_id(id);
      say.mutable_end_session()->set_reason(session.reason());
      orders.push_back({.attachment = attachment, .say = std::move(say)});
    } else if (session.phase() != v1::ACTIVE) {
      session.set_phase(v1::ACTIVE);
      session.set_reason("");
      session.set_started_ms(session.started_ms() == 0 ? now.ms : session.started_ms());
      changed->push_back(session);
    }
  }
  return orders;
}

std::optional<Objection> Pool::Cordon(const std::string& name, bool cordoned) {
  ServerBook::Entry* const entry = servers_.Find(name);
  if (entry == nullptr) {
    return Objection{Objection::Kind::kNotFound, "NotFound", "there is no server \"" + name + "\""};
  }
  entry->cordoned = cordoned;
  return std::nullopt;
}

Pool::Promises Pool::PromisesOf(const std::string& server) const {
  Promises promises;
  for (const auto& [id, session] : sessions_) {
    if (session.server_id() == server && IsLive(session)) {
      const bool counts = session.spec().slice().priority() != "best-effort";
      promises.share += counts ? session.spec().slice().share() : 0;
      promises.memory_bytes += session.spec().slice().memory_bytes();
      ++promises.sessions;
    }
  }
  return promises;
}

// Empty: it can.
std::string Pool::WhyNot(const ServerBook::Entry& server, const v1::SessionSpec& spec) const {
  if (server.state != v1::READY) {
    return "is " + v1::ServerState_Name(server.state) + ": " + server.reason;
  }
  if (server.cordoned) {
    return "is cordoned";
  }
  for (const auto& [key, value] : spec.selector()) {
    const auto label = server.inventory.labels().find(key);
    if (label == server.inventory.labels().end() || label->second != value) {
      return "has not the label " + key + "=" + value;
    }
  }
  const auto& devices = server.inventory.devices();
  if (static_cast<int>(spec.gpus()) > devices.size()) {
    return "has " + std::to_string(devices.size()) + " devices";
  }
  for (const v1::Device& device : devices) {
    if (!spec.model().empty() && device.model().find(spec.model()) == std::string::npos) {
      return "is a " + device.model();
    }
  }
  const Promises promised = PromisesOf(server.inventory.server_id());
  const v1::SliceSpec& slice = spec.slice();
  if (slice.priority() != "best-effort" && promised.share + slice.share() > 1 + 1e-9) {
    return "has a share of " + std::to_string(1 - promised.share) + " that is not promised";
  }
  const uint64_t memory_bytes =
      std::min_element(devices.begin(), devices.end(), [](const auto& a, const auto& b) {
        return a.memory_bytes() < b.memory_bytes();
      })->memory_bytes();
  if (slice.memory_bytes() > memory_bytes - std::min(memory_bytes, promised.memory_bytes)) {
    return "has " + Gibibytes(memory_bytes - std::min(memory_bytes, promised.memory_bytes)) +
           " of memory that are not promised";
  }
  return "";
}

std::optional<Objection> Pool::Draft(const v1::CreateSessionRequest& request,
                                     uint64_t epoch,
                                     const Now& now,
                                     Grant* grant) {
  if (auto objection = ReadRequest(request, &grant->token)) {
    return objection;
  }
  const ServerBook::Entry* best = nullptr;
  double best_load = 0;
  Objection none{Objection::Kind::kNoCapacity, "NoServer", "no server can take this session"};
  for (const auto& [id, server] : servers_.servers()) {
    if (const std::string why = WhyNot(server, request.spec()); !why.empty()) {
      none.explain.push_back(server.inventory.name() + " " + why);
      continue;
    }
    const Promises promised = PromisesOf(id);
    const double load = promised.share + 0.01 * promised.sessions;
    if (best == nullptr || load < best_load) {
      best = &server;
      best_load = load;
    }
  }
  if (best == nullptr) {
    none.detail += servers_.servers().empty() ? ": the pool has no servers" : "";
    return none;
  }
  v1::Session& session = grant->session;
  session.set_id(FreshId());
  *session.mutable_spec() = request.spec();
  session.set_phase(v1::RESERVED);
  session.set_server(best->inventory.name());
  session.set_server_id(best->inventory.server_id());
  *session.mutable_addresses() = best->inventory.addresses();
  session.set_created_ms(now.ms);
  session.set_key_digest(request.key_digest());
  session.set_epoch(epoch);
  session.set_devices(request.spec().gpus() != 0
                          ? request.spec().gpus()
                          : static_cast<uint32_t>(best->inventory.devices_size()));
  grant->token.epoch = epoch;
  control::FromHex(session.id(), grant->token.session);
  control::FromHex(session.server_id(), grant->token.server);
  grant->token.not_before_s = static_cast<uint64_t>(now.ms / 1000);
  grant->token.expires_s = static_cast<uint64_t>((now.ms + kTokenMs) / 1000);
  sessions_[session.id()] = session;
  return std::nullopt;
}

void Pool::Confirm(const std::string& /*id*/) {
  ForgetOld();
}

void Pool::Abandon(const std::string& id) {
  sessions_.erase(id);
}

std::optional<Objection> Pool::Release(const std::string& id,
                                       const Now& now,
                                       v1::Session* session,
                                       std::vector<Order>* orders) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return Objection{Objection::Kind::kNotFound, "NotFound", "there is no session \"" + id + "\""};
  }
  if (IsLive(found->second)) {
    End(&found->second, v1::RELEASED, "released", now);
    const ServerBook::Entry* const server = servers_.Find(found->second.server_id());
    if (server != nullptr && server->attachment != 0) {
      v1::ToServer say;
      say.mutable_end_session()->set_session_id(id);
      say.mutable_end_session()->set_reason("released");
      orders->push_back({.attachment = server->attachment, .say = std::move(say)});
    }
  }
  *session = found->second;
  return std::nullopt;
}

void Pool::Look(const Now& now, std::vector<v1::Session>* changed) {
  const std::vector<std::string> lost = servers_.Look(now.ns, now.ms);
  for (auto& [id, session] : sessions_) {
    const ServerBook::Entry* const server = servers_.Find(session.server_id());
    if (session.phase() == v1::RESERVED && now.ms > session.created_ms() + 2 * kTokenMs) {
      End(&session, v1::EXPIRED, "nobody came", now);
      changed->push_back(session);
    } else if (session.phase() == v1::ACTIVE && server != nullptr &&
               server->state == v1::UNREACHABLE) {
      session.set_phase(v1::UNKNOWN);
      session.set_reason("its server cannot be reached");
    } else if (IsLive(session) &&
               std::find(lost.begin(), lost.end(), session.server_id()) != lost.end()) {
      End(&session, v1::FAILED, "its server is lost", now);
      changed->push_back(session);
    }
  }
  ForgetOld();
}

void Pool::ForgetOld() {
  std::vector<std::pair<int64_t, std::string>> over;
  for (const auto& [id, session] : sessions_) {
    if (!IsLive(session) && session.phase() != v1::PENDING) {
      over.emplace_back(session.ended_ms(), id);
    }
  }
  if (over.size() <= kOverMax) {
    return;
  }
  std::sort(over.begin(), over.end());
  for (size_t i = 0; i < over.size() - kOverMax; ++i) {
    sessions_.erase(over[i].second);
  }
}

std::vector<v1::Session> Pool::Sessions() const {
  std::vector<v1::Session> sessions;
  for (const auto& [id, session] : sessions_) {
    sessions.push_back(session);
  }
  std::sort(sessions.begin(), sessions.end(), [](const v1::Session& a, const v1::Session& b) {
    return a.created_ms() < b.created_ms();
  });
  return sessions;
}

const v1::Session* Pool::FindSession(const std::string& name) const {
  const auto first = sessions_.lower_bound(name);
  if (name.empty() || first == sessions_.end() || !first->first.starts_with(name)) {
    return nullptr;
  }
  const auto next = std::next(first);
  const bool is_only = next == sessions_.end() || !next->first.starts_with(name);
  return is_only || first->first == name ? &first->second : nullptr;
}

std::vector<v1::Server> Pool::Servers() const {
  std::vector<v1::Server> servers;
  for (const auto& [id, entry] : servers_.servers()) {
    v1::Server& server = servers.emplace_back();
    const Promises promised = PromisesOf(id);
    *server.mutable_inventory() = entry.inventory;
    *server.mutable_load() = entry.load;
    server.set_state(entry.state);
    server.set_cordoned(entry.cordoned);
    server.set_reason(entry.reason);
    server.set_since_ms(entry.since_ms);
    server.set_sessions(promised.sessions);
    server.set_promised_share(promised.share);
    server.set_promised_bytes(promised.memory_bytes);
  }
  return servers;
}

v1::PoolStatus Pool::Status() const {
  v1::PoolStatus status;
  for (const auto& [id, entry] : servers_.servers()) {
    status.set_servers(status.servers() + 1);
    status.set_servers_ready(status.servers_ready() + (entry.state == v1::READY ? 1 : 0));
    for (const v1::Device& device : entry.inventory.devices()) {
      status.set_devices(status.devices() + 1);
      status.set_memory_bytes(status.memory_bytes() + device.memory_bytes());
    }
  }
  for (const auto& [id, session] : sessions_) {
    status.set_sessions_active(status.sessions_active() + (IsLive(session) ? 1 : 0));
    status.set_sessions_pending(status.sessions_pending() + (session.phase() == v1::PENDING));
  }
  return status;
}

}  // namespace farlane::pool
