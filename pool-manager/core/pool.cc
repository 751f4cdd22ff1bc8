// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/pool.h"

#include <algorithm>
#include <array>

#include <sys/random.h>

#include "pool-manager/core/server_orders.h"
#include "pool-manager/core/session_parts.h"
#include "pool-manager/core/session_request.h"
#include "pool-manager/placement/explain.h"
#include "protocol/base/check.h"
#include "protocol/base/slice.h"
#include "protocol/control/hex.h"
#include "protocol/nvml/xid.h"

namespace farlane::pool {
namespace {

// What a server is found with may be more than it has: any debt fits into this.
constexpr double kDebt = 1e6;

ServerState StateOf(v1::ServerState state) {
  switch (state) {
    case v1::READY:
      return ServerState::kReady;
    case v1::SUSPECT:
      return ServerState::kSuspect;
    case v1::UNREACHABLE:
      return ServerState::kUnreachable;
    default:
      return ServerState::kLost;
  }
}

std::string LabelOf(const v1::Inventory& inventory, const char* key) {
  const auto found = inventory.labels().find(key);
  return found == inventory.labels().end() ? "" : found->second;
}

ServerFacts FactsOf(const v1::Inventory& inventory) {
  ServerFacts facts{.id = inventory.server_id(),
                    .place = {.region = LabelOf(inventory, "region"),
                              .zone = LabelOf(inventory, "zone"),
                              .rack = LabelOf(inventory, "rack"),
                              .host = inventory.name()}};
  for (const auto& [key, value] : inventory.labels()) {
    facts.labels.push_back({.key = key, .value = value});
  }
  return facts;
}

std::vector<NewDevice> DevicesOf(const v1::Inventory& inventory) {
  std::vector<NewDevice> devices;
  for (const v1::Device& device : inventory.devices()) {
    DeviceFacts facts;
    facts.memory_bytes = device.memory_bytes();
    facts.compute_capability =
        static_cast<uint32_t>(10 * device.compute_major() + device.compute_minor());
    facts.cuda_version = static_cast<uint32_t>(inventory.cuda_version());
    facts.offers = kUsualIsolations | SetOf(Isolation::kScrubbed);
    devices.push_back({.id = device.uuid(), .model = device.model(), .facts = facts});
  }
  return devices;
}

bool IsSick(const v1::DeviceLoad& load) {
  return load.xid_count() != 0 && nvml::XidNeedsReset(load.xid_last());
}

// Of a session that runs already.
Grant GrantWithoutDevices(const v1::Session& session) {
  const Request request = RequestOf(session);
  return {.session = session.id(),
          .tenant = request.tenant,
          .group = request.group,
          .share = request.GuaranteedShare(),
          .memory_bytes = request.memory_bytes,
          .memory_limit_bytes = request.MemoryLimit()};
}

bool HasDeviceOf(const ClusterView& cluster, uint32_t server, const Grant& grant) {
  return std::any_of(grant.devices.begin(), grant.devices.end(),
                     [&](uint32_t device) { return cluster.ServerOfDevice(device) == server; });
}

// Which of a server's devices a session has that runs there already is not known, so it is the
// first ones.
void AddFirstDevices(const ClusterView& cluster, uint32_t server, uint32_t count, Grant* grant) {
  const ServerView& view = cluster.servers()[server];
  for (uint32_t i = 0; i < std::min(count, view.devices_count); ++i) {
    grant->devices.push_back(view.device_first + i);
  }
}

}  // namespace

std::string Pool::FreshId() {
  std::array<uint8_t, 16> id{};
  FARLANE_CHECK(getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return control::Hex(id);
}

bool Pool::IsLive(const v1::Session& session) {
  return session.phase() == v1::RESERVED || session.phase() == v1::ACTIVE ||
         session.phase() == v1::UNKNOWN;
}

void Pool::Restore(std::vector<v1::Session> sessions) {
  for (v1::Session& session : sessions) {
    if (IsLive(session)) {
      Charge(session);
      NoteLive(session);
    }
    if (IsLive(session) && session.phase() != v1::RESERVED) {
      ForgetWhoIsThere("its server has not come back yet", &session);
    }
    if (!IsLive(session) && session.phase() != v1::PENDING) {
      over_.emplace(session.ended_ms(), session.id());
    }
    const std::string id = session.id();
    sessions_[id] = std::move(session);
  }
}

std::string Pool::Attach(const v1::Inventory& inventory, uint64_t attachment, const Now& now) {
  if (std::string why = servers_.Attach(inventory, attachment, now.ns, now.ms); !why.empty()) {
    return why;
  }
  const Result<uint32_t> index = SetFacts(inventory);
  if (!index.ok()) {
    servers_.Detach(inventory.server_id(), attachment, now.ms);
    return index.error().message();
  }
  const auto orders = orders_.find(inventory.name());
  servers_.Find(inventory.server_id())->cordoned =
      orders != orders_.end() && orders->second.cordoned();
  SetState(inventory.server_id());
  PromiseAgain(inventory.server_id());
  capacity_is_stale_ = true;
  return "";
}

Result<uint32_t> Pool::SetFacts(const v1::Inventory& inventory) {
  ServerFacts facts = FactsOf(inventory);
  if (const auto orders = orders_.find(inventory.name()); orders != orders_.end()) {
    facts.taints = PlacementTaints(orders->second);
  }
  return cluster_.SetServer(std::move(facts), DevicesOf(inventory));
}

// What its sessions were promised by a manager before this one, or before it had other devices.
void Pool::PromiseAgain(const std::string& server) {
  for (const std::string& id : LiveAt(server)) {
    const v1::Session& session = sessions_[id];
    const farlane::pool::Grant* const held = cluster_.FindGrant(id);
    farlane::pool::Grant grant = held == nullptr ? GrantWithoutDevices(session) : *held;
    const size_t before = grant.devices.size();
    for (const std::string& one : ServersOf(session)) {
      const auto index = cluster_.Find(one);
      if (index.has_value() && !HasDeviceOf(cluster_, *index, grant)) {
        AddFirstDevices(cluster_, *index, DevicesAt(session, one), &grant);
      }
    }
    if (grant.devices.size() == before) {
      continue;
    }
    cluster_.Forget(id);
    // More than there is, perhaps: then it is a debt, and nothing new comes there until it is paid.
    static_cast<void>(cluster_.Assume(grant, kDebt, kDebt).ok());
  }
}

// Placement knows what is ready and what is not.
void Pool::SetState(const std::string& server) {
  const ServerBook::Entry* const entry = servers_.Find(server);
  const auto index = cluster_.Find(server);
  if (entry == nullptr || !index.has_value()) {
    return;
  }
  const ServerView& view = cluster_.servers()[*index];
  if (view.state == StateOf(entry->state) && view.cordoned == entry->cordoned) {
    return;
  }
  cluster_.SetState(*index, StateOf(entry->state));
  cluster_.SetCordoned(*index, entry->cordoned);
  capacity_is_stale_ = true;
  NoteRoom();
}

void Pool::SetLoads(const std::string& server, const v1::Load& load) {
  const auto index = cluster_.Find(server);
  if (!index.has_value()) {
    return;
  }
  const ServerView& view = cluster_.servers()[*index];
  for (int i = 0; i < load.devices_size() && i < static_cast<int>(view.devices_count); ++i) {
    const uint32_t device = view.device_first + static_cast<uint32_t>(i);
    const v1::DeviceLoad& said = load.devices(i);
    cluster_.SetLoad(device, {.busy = static_cast<float>(said.busy_percent()) / 100,
                              .working_set_bytes = said.used_bytes()});
    if (cluster_.devices()[device].facts.healthy == IsSick(said)) {
      NoteRoom();
    }
    cluster_.SetDeviceHealth(device, !IsSick(said), false);
  }
  for (const v1::SessionLoad& session : load.sessions()) {
    if (session.gpu_ns() != 0) {
      cluster_.Settle(session.session_id());
    }
  }
}

void Pool::Detach(const std::string& server, uint64_t attachment, const Now& now) {
  servers_.Detach(server, attachment, now.ms);
  SetState(server);
}

void Pool::End(v1::Session* session, v1::Phase phase, const std::string& why, const Now& now) {
  over_.erase({session->ended_ms(), session->id()});
  session->set_phase(phase);
  session->set_reason(why);
  session->set_ended_ms(now.ms);
  for (v1::SessionPart& part : *session->mutable_parts()) {
    part.set_phase(v1::RELEASED);
  }
  learning_.NoteEnd(*session, now.ms);
  cluster_.Forget(session->id());
  Refund(session->id());
  ForgetLive(*session);
  reserved_since_ns_.erase(session->id());
  timed_.erase(session->id());
  over_.emplace(now.ms, session->id());
}

// It runs, whatever was thought of it: what is lost from sight is not ended when it comes back.
void Pool::TakeReport(v1::Session* session, const std::string& server, const Now& now) {
  const bool was_given_up = !IsLive(*session);
  over_.erase({session->ended_ms(), session->id()});
  SetPhaseAt(server, v1::ACTIVE, "", session);
  session->set_meant(false);
  session->set_ended_ms(0);
  session->set_started_ms(session->started_ms() == 0 ? now.ms : session->started_ms());
  if (was_given_up) {
    NoteLive(*session);
    PromiseAgain(server);
    Charge(*session);
  }
}

std::vector<std::string> Pool::Reserved(const std::string& server) const {
  std::vector<std::string> reserved = LiveAt(server);
  std::erase_if(reserved, [this, &server](const std::string& id) {
    return PhaseAt(sessions_.at(id), server) != v1::RESERVED;
  });
  return reserved;
}

std::vector<Order> Pool::Hear(const std::string& server,
                              uint64_t attachment,
                              const v1::Load& said_now,
                              const Now& now,
                              std::vector<v1::Session>* changed) {
  std::vector<Order> orders;
  if (!servers_.Hear(server, attachment, said_now, now.ns, now.ms)) {
    return orders;
  }
  if (said_now.number() != 0) {
    v1::ToServer say;
    say.set_heard(said_now.number());
    orders.push_back({.attachment = attachment, .say = std::move(say)});
  }
  const v1::Load& load = servers_.Find(server)->load;
  SetState(server);
  SetLoads(server, load);
  std::map<std::string, const v1::SessionLoad*> seen;
  for (const v1::SessionLoad& one : load.sessions()) {
    seen[one.session_id()] = &one;
  }
  for (const std::string& id : LiveAt(server)) {
    if (!seen.contains(id)) {
      HearMissing(&sessions_[id], server, now, changed);
    }
  }
  for (const auto& [id, said] : seen) {
    const auto found = sessions_.find(id);
    if (found == sessions_.end() || !IsAt(found->second, server)) {
      continue;
    }
    v1::Session& session = found->second;
    SetLoadAt(server, *said, &session);
    if (session.server_id() == server) {
      learning_.NoteLoad(session, session.load(), now.ns);
    }
    if (!IsLive(session) && !MayGoOn(session)) {
      v1::ToServer say;
      say.mutable_end_session()->set_session_id(id);
      say.mutable_end_session()->set_reason(session.reason());
      orders.push_back({.attachment = attachment, .say = std::move(say)});
    } else {
      const bool is_news = PhaseAt(session, server) != v1::ACTIVE || !IsLive(session);
      if (is_news) {
        TakeReport(&session, server, now);
      }
      TakeAge(&session, *said, now);
      if (is_news) {
        changed->push_back(session);
      }
    }
  }
  return orders;
}

std::map<std::string, Pool::Promises> Pool::PromisesByServer() const {
  std::map<std::string, Promises> promises;
  for (const auto& [server, live] : live_) {
    for (const std::string& id : live) {
      const v1::Session& session = sessions_.at(id);
      const bool counts = session.spec().slice().priority() != kBestEffort;
      Promises& sum = promises[server];
      sum.share += counts ? session.spec().slice().share() : 0;
      sum.memory_bytes += session.spec().slice().memory_bytes();
      ++sum.sessions;
    }
  }
  return promises;
}

void Pool::Abandon(const std::string& id) {
  cluster_.Forget(id);
  Refund(id);
  if (const auto found = sessions_.find(id); found != sessions_.end()) {
    ForgetLive(found->second);
  }
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
    found->second.set_meant(true);
    TellToEnd(found->second, "released", orders);
  }
  *session = found->second;
  return std::nullopt;
}

std::vector<std::string> Pool::EndedLately(const std::string& server, const Now& now) const {
  std::vector<std::string> ended;
  for (const auto& [id, session] : sessions_) {
    // No token is given for a session that is over: the last one expires kTokenMs after that.
    if (IsAt(session, server) && session.ended_ms() != 0 && !IsLive(session) &&
        now.ms < session.ended_ms() + 4 * kTokenMs) {
      ended.push_back(id);
    }
  }
  return ended;
}

// By the clock that only goes forward: who sets the other one must not end anybody's session.
bool Pool::WasLeftAlone(const v1::Session& session, const Now& now) {
  if (!IsAwaited(session)) {
    reserved_since_ns_.erase(session.id());
    return false;
  }
  return now.ns - reserved_since_ns_.try_emplace(session.id(), now.ns).first->second > kReservedNs;
}

// A server of which a manager before this one knew, and which has not come to this one.
bool Pool::HasStayedAway(const std::string& server, const Now& now) {
  if (servers_.servers().contains(server)) {
    away_since_ns_.erase(server);
    return false;
  }
  const uint64_t since_ns = away_since_ns_.try_emplace(server, now.ns).first->second;
  return now.ns - since_ns > ServerBook::kLostNs;
}

bool Pool::IsReady(const std::string& server) const {
  const auto entry = servers_.servers().find(server);
  return entry != servers_.servers().end() && entry->second.state == v1::READY;
}

void Pool::Look(const Now& now, std::vector<v1::Session>* changed, std::vector<Order>* orders) {
  tenants_.Age(now.ms);
  RefreshCapacity();
  const std::vector<std::string> lost = servers_.Look(now.ns, now.ms);
  for (const auto& [id, server] : servers_.servers()) {
    SetState(id);
  }
  std::vector<std::string> servers;  // those with sessions: what ends leaves the map's sets
  for (const auto& [id, sessions] : live_) {
    servers.push_back(id);
  }
  for (const std::string& server : servers) {
    const bool is_lost = std::find(lost.begin(), lost.end(), server) != lost.end();
    const bool is_given_up = HasStayedAway(server, now) || is_lost;
    LookAtServer(server, is_given_up ? "lost" : "", now, changed, orders);
  }
  ForgetOld(now);
  learning_.Forget(now.ns);
}

void Pool::ForgetOld(const Now& now) {
  while (!over_.empty() &&
         (over_.size() > kOverMax || now.ms - over_.begin()->first > keep_ended_ms_)) {
    const std::string id = over_.begin()->second;
    over_.erase(over_.begin());
    sessions_.erase(id);
    forgotten_.push_back(id);
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
  std::map<std::string, Promises> promises = PromisesByServer();
  for (const auto& [id, entry] : servers_.servers()) {
    v1::Server& server = servers.emplace_back();
    const Promises& promised = promises[id];
    *server.mutable_inventory() = entry.inventory;
    *server.mutable_load() = entry.load;
    server.set_state(entry.state);
    server.set_cordoned(entry.cordoned);
    server.set_reason(entry.reason);
    server.set_since_ms(entry.since_ms);
    server.set_sessions(promised.sessions);
    server.set_promised_share(promised.share);
    server.set_promised_bytes(promised.memory_bytes);
    if (const auto orders = orders_.find(entry.inventory.name()); orders != orders_.end()) {
      server.set_draining(orders->second.draining());
      server.set_drain_until_ms(orders->second.drain_until_ms());
      *server.mutable_taints() = orders->second.taints();
    }
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
