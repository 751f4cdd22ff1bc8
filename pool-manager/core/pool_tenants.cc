// SPDX-License-Identifier: Apache-2.0
// The part of Pool that has to do with tenants: what sessions are charged with, and what becomes of
// those that have to make room.
#include <algorithm>
#include <cmath>

#include "pool-manager/core/pool.h"
#include "pool-manager/core/session_parts.h"
#include "pool-manager/core/session_request.h"
#include "protocol/base/check.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/slice.h"

namespace farlane::pool {
namespace {

// A session that has to go slower keeps this part of what it asked for.
constexpr double kShareKept = 0.25;
// A project's network is divided into so many parts where nobody says how many sessions it has.
constexpr uint64_t kNetParts = 8;
// Sessions that have left of which it is still known what they have left free.
constexpr size_t kFreedMost = 64;

Priority PriorityOf(const v1::SessionSpec& spec) {
  const std::string& word = spec.slice().priority();
  return word == kBestEffort    ? Priority::kBestEffort
         : word == "guaranteed" ? Priority::kGuaranteed
                                : Priority::kStandard;
}

uint64_t Share(double share) {
  return static_cast<uint64_t>(std::llround(std::clamp(share, 0.0, 1.0) * kWholeShare));
}

bool IsAlone(const v1::SessionSpec& spec) {
  return spec.isolation() == "exclusive" || spec.isolation() == "mig";
}

// Of each device.
uint64_t ShareCharged(const v1::SessionSpec& spec) {
  if (spec.isolation() == "exclusive") {
    return kWholeShare;
  }
  return PriorityOf(spec) == Priority::kBestEffort ? 0 : Share(spec.slice().share());
}

}  // namespace

Pool::Pool() {
  FARLANE_CHECK(tenants_.Set({.name = kDefaultProject}).ok());
}

std::optional<Objection> Pool::FindProject(const v1::SessionSpec& spec, uint32_t* project) const {
  const std::string& name = spec.project().empty() ? kDefaultProject : spec.project();
  const std::optional<uint32_t> found = tenants_.Find(name);
  if (!found.has_value() || tenants_.Of(*found).is_org) {
    return Objection{Objection::Kind::kNotFound, "NoProject",
                     "there is no project \"" + name + "\" that sessions can be in"};
  }
  *project = *found;
  return std::nullopt;
}

Amount Pool::AmountOf(const v1::SessionSpec& spec, uint64_t net_limit) {
  const uint64_t gpus = std::max(spec.gpus(), 1u);
  const uint64_t memory = spec.slice().memory_bytes();
  return Amount::Of(gpus * ShareCharged(spec), memory > kNoLimit / gpus ? kNoLimit : gpus * memory,
                    1, net_limit);
}

// Who says no rate, and is in a project that must not move more than so much, gets an equal part of
// that: as many parts as there may be sessions. What is left at the time does not count, so that
// nobody gets less for coming late, and who waits knows what he waits for.
uint64_t Pool::NetLimitOf(const v1::SessionSpec& spec, uint32_t project) const {
  if (spec.slice().net_limit_bytes() != 0) {
    return spec.slice().net_limit_bytes();
  }
  uint64_t part = kNoLimit;
  for (uint32_t at = project; at != TenantTree::kPool; at = tenants_.ParentOf(at)) {
    const Amount& limit = tenants_.Of(at).quota.limit;
    const uint64_t whole = limit[static_cast<size_t>(Resource::kNetwork)];
    const uint64_t sessions = limit[static_cast<size_t>(Resource::kSessions)];
    if (whole != kNoLimit) {
      part = std::min(part,
                      whole / (sessions == kNoLimit ? kNetParts : std::max<uint64_t>(sessions, 1)));
    }
  }
  return part == kNoLimit ? 0 : std::max(part, NetRateBytes(kNetRateLeast));
}

std::optional<Objection> Pool::CheckQuota(const v1::SessionSpec& spec) {
  RefreshCapacity();
  uint32_t project = 0;
  if (auto objection = FindProject(spec, &project)) {
    return objection;
  }
  const Amount amount = AmountOf(spec, NetLimitOf(spec, project));
  if (const auto never = tenants_.CheckEver(project, amount)) {
    return Objection{Objection::Kind::kInvalid, "OverLimit", tenants_.Text(*never)};
  }
  if (const auto refusal = tenants_.Check(project, amount)) {
    return Objection{Objection::Kind::kNoCapacity, "OverQuota", tenants_.Text(*refusal)};
  }
  return std::nullopt;
}

void Pool::Charge(const v1::Session& session) {
  uint32_t project = 0;
  if (FindProject(session.spec(), &project).has_value()) {
    project = *tenants_.Find(kDefaultProject);  // its own was deleted under an older manager
  }
  const Charged charged{.project = project,
                        .priority = PriorityOf(session.spec()),
                        .amount = AmountOf(session.spec(), session.net_limit_bytes())};
  Refund(session.id());
  tenants_.Charge(charged.project, charged.priority, charged.amount);
  charges_[session.id()] = charged;
}

void Pool::Refund(const std::string& id) {
  last_work_.erase(id);
  const auto found = charges_.find(id);
  if (found == charges_.end()) {
    return;
  }
  tenants_.Refund(found->second.project, found->second.priority, found->second.amount);
  const uint32_t project = found->second.project;
  charges_.erase(found);
  const auto session = sessions_.find(id);
  if (session == sessions_.end()) {
    NoteRoom();
    return;
  }
  for (const std::string& one : ServersOf(session->second)) {
    const auto server = cluster_.Find(one);
    if (!server.has_value()) {
      NoteRoom();
      return;
    }
    ++room_changes_;
    freed_.push_back({.server = *server, .project = project});
    if (freed_.size() > kFreedMost) {
      freed_.pop_front();
    }
  }
}

// There may be room for more reasons than that a session has left.
void Pool::NoteRoom() {
  ++room_changes_;
  freed_.clear();
}

std::optional<std::vector<Pool::Freed>> Pool::FreedSince(uint64_t change) const {
  const uint64_t since = room_changes_ - change;
  if (change > room_changes_ || since > freed_.size()) {
    return std::nullopt;
  }
  return std::vector<Freed>(freed_.end() - static_cast<ptrdiff_t>(since), freed_.end());
}

void Pool::RestoreUse(const v1::TenantUse& use) {
  for (const v1::TenantUse::One& one : use.tenants()) {
    TenantTree::History history{.tenant = one.name()};
    for (int i = 0; i < one.had_size() && i < static_cast<int>(history.had.size()); ++i) {
      history.had[static_cast<size_t>(i)] = one.had(i);
    }
    tenants_.SetHistory(history, use.at_ms());
  }
}

v1::TenantUse Pool::Use(const Now& now) const {
  v1::TenantUse use;
  use.set_at_ms(now.ms);
  for (const TenantTree::History& history : tenants_.Histories()) {
    v1::TenantUse::One& one = *use.add_tenants();
    one.set_name(history.tenant);
    for (const double had : history.had) {
      one.add_had(had);
    }
  }
  return use;
}

// What the pool has, but for servers that are lost.
void Pool::RefreshCapacity() {
  if (!capacity_is_stale_) {
    return;
  }
  capacity_is_stale_ = false;
  Amount capacity = Amount::Of(0, 0, kNoLimit, kNoLimit);
  for (const ServerView& server : cluster_.servers()) {
    const bool counts = server.state != ServerState::kLost && server.state != ServerState::kGone;
    for (uint32_t i = 0; counts && i < server.devices_count; ++i) {
      const DeviceView& device = cluster_.devices()[server.device_first + i];
      capacity = capacity + Amount::Of(kWholeShare, device.facts.memory_bytes, 0);
    }
  }
  tenants_.SetCapacity(capacity);
  NoteRoom();
}

void Pool::TellServers(const v1::Session& session,
                       const v1::ToServer& say,
                       std::vector<Order>* orders) const {
  for (const std::string& one : ServersOf(session)) {
    const ServerBook::Entry* const server = servers_.Find(one);
    if (server != nullptr && server->attachment != 0) {
      orders->push_back({.attachment = server->attachment, .say = say});
    }
  }
}

void Pool::TellToEnd(const v1::Session& session,
                     const std::string& why,
                     std::vector<Order>* orders) const {
  v1::ToServer say;
  say.mutable_end_session()->set_session_id(session.id());
  say.mutable_end_session()->set_reason(why);
  TellServers(session, say, orders);
}

v1::Session Pool::EndWaiting(const std::string& id,
                             v1::Phase phase,
                             const std::string& why,
                             const Now& now) {
  v1::Session& session = sessions_[id];
  End(&session, phase, why, now);
  return session;
}

v1::Session Pool::Evict(const std::string& id,
                        v1::Phase phase,
                        const std::string& why,
                        const Now& now,
                        std::vector<Order>* orders) {
  v1::Session& session = sessions_[id];
  End(&session, phase, why, now);
  TellToEnd(session, why, orders);
  return session;
}

v1::Session Pool::Resize(const std::string& id, uint64_t share, std::vector<Order>* orders) {
  v1::Session& session = sessions_[id];
  v1::SliceSpec& slice = *session.mutable_spec()->mutable_slice();
  if (session.share_wanted() == 0) {
    session.set_share_wanted(slice.share());
  }
  slice.set_share(static_cast<double>(share) / kWholeShare);
  if (const farlane::pool::Grant* const held = cluster_.FindGrant(id)) {
    farlane::pool::Grant grant = *held;
    grant.share = static_cast<uint32_t>(share);
    cluster_.Forget(id);
    static_cast<void>(cluster_.Assume(grant).ok());  // it is less than before
  }
  Charge(session);
  v1::ToServer say;
  say.mutable_resize_session()->set_session_id(id);
  *say.mutable_resize_session()->mutable_slice() = slice;
  TellServers(session, say, orders);
  return session;
}

bool Pool::TryToGiveBack(const std::string& id, std::vector<Order>* orders) {
  v1::Session& session = sessions_[id];
  const auto charged = charges_.find(id);
  const farlane::pool::Grant* const grant = cluster_.FindGrant(id);
  const uint64_t wish = Share(session.share_wanted());
  if (grant == nullptr || charged == charges_.end() || wish <= grant->share) {
    return false;
  }
  const uint64_t more = wish - grant->share;
  const bool fits =
      std::all_of(grant->devices.begin(), grant->devices.end(), [this, more](uint32_t device) {
        return cluster_.devices()[device].promised_share + more <= kWholeShare;
      });
  const Amount amount = Amount::Of(more * grant->devices.size(), 0, 0);
  if (!fits || tenants_.Check(charged->second.project, amount).has_value()) {
    return false;
  }
  Resize(id, wish, orders);
  session.clear_share_wanted();
  return true;
}

void Pool::GiveBack(std::vector<v1::Session>* changed, std::vector<Order>* orders) {
  std::set<std::string> waiting;  // in one order, whatever the charges' is
  for (const auto& [id, charged] : charges_) {
    const v1::Session& session = sessions_.at(id);
    if (session.phase() == v1::ACTIVE && session.share_wanted() != 0) {
      waiting.insert(id);
    }
  }
  for (const std::string& id : waiting) {
    if (TryToGiveBack(id, orders)) {
      changed->push_back(sessions_.at(id));
    }
  }
}

void Pool::LookAtLimits(const Now& now,
                        std::vector<v1::Session>* changed,
                        std::vector<Order>* orders) {
  std::vector<std::pair<std::string, std::string>> over;  // with why
  for (const auto& [id, charged] : charges_) {            // of those that are not over
    const v1::Session& session = sessions_.at(id);
    if (session.phase() != v1::ACTIVE) {
      continue;
    }
    const int64_t limit_s = session.spec().time_limit_s();
    if (limit_s != 0 && now.ms > session.started_ms() + 1000 * limit_s) {
      over.emplace_back(id, "its time of " + std::to_string(limit_s) + " s is over");
      continue;
    }
    const auto idle = idle_limits_s_.find(charged.project);
    if (idle == idle_limits_s_.end() || idle->second == 0) {
      continue;
    }
    LastWork& work = last_work_[id];
    if (work.since_ms == 0 || work.gpu_ns != session.load().gpu_ns()) {
      work = {.gpu_ns = session.load().gpu_ns(), .since_ms = now.ms};
    } else if (now.ms > work.since_ms + 1000 * int64_t{idle->second}) {
      over.emplace_back(id, "it has done nothing for " + std::to_string(idle->second) + " s");
    }
  }
  for (const auto& [id, why] : over) {
    v1::Session session = Evict(id, v1::EXPIRED, why, now, orders);
    session.set_meant(true);
    Show(session);
    changed->push_back(std::move(session));
  }
}

Wanted Pool::WantedOf(const v1::SessionSpec& spec, uint32_t project) const {
  return {.project = project,
          .priority = PriorityOf(spec),
          .amount = AmountOf(spec, NetLimitOf(spec, project)),
          .devices = std::max(spec.gpus(), 1u),
          .share = ShareCharged(spec),
          .memory = spec.slice().memory_bytes(),
          .alone = IsAlone(spec)};
}

HostPicture Pool::PictureOf(uint32_t server,
                            const RequestFilter& filter,
                            const Request& request) const {
  const ServerView& view = cluster_.servers()[server];
  HostPicture picture{.id = view.facts.id};
  for (uint32_t i = 0; i < view.devices_count; ++i) {
    const uint32_t index = view.device_first + i;
    const DeviceView& device = cluster_.devices()[index];
    const Reason reason = filter.DeviceReason(server, index);
    const bool lacks_room_only = reason == Reason::kFits || reason == Reason::kShare ||
                                 reason == Reason::kMemory || reason == Reason::kIsolation ||
                                 reason == Reason::kMemoryOvercommit;
    const uint64_t memory = device.facts.memory_bytes;
    HostDevice free{.share_free = kWholeShare - std::min(kWholeShare, device.promised_share),
                    .memory_free = memory - std::min(memory, device.promised_bytes),
                    .sessions = device.sessions,
                    .usable = lacks_room_only && device.facts.memory_bytes >= request.memory_bytes};
    if (reason == Reason::kIsolation) {
      free.share_free = 0;  // until those are gone who are there
    }
    picture.devices.push_back(free);
  }
  return picture;
}

std::vector<HostPicture> Pool::Hosts(const v1::CreateSessionRequest& wanted, size_t most) const {
  v1::Session asked;
  *asked.mutable_spec() = wanted.spec();
  const Request request = RequestOf(asked);
  const NetworkView network(cluster_, {.host = wanted.spec().host()}, distances_);
  const RequestFilter filter(cluster_, network, request, placement_.policy, placement_.rules.get());
  std::vector<HostPicture> hosts;
  std::unordered_map<std::string, size_t> by_id;
  const size_t count = cluster_.servers().size();
  const size_t from = count == 0 ? 0 : std::hash<std::string>()(wanted.key_digest()) % count;
  for (size_t i = 0; i < count && hosts.size() < most; ++i) {
    const auto server = static_cast<uint32_t>((from + i) % count);
    if (filter.NetworkReason(server) == Reason::kFits &&
        filter.ServerReason(server) == Reason::kFits) {
      by_id[cluster_.servers()[server].facts.id] = hosts.size();
      hosts.push_back(PictureOf(server, filter, request));
    }
  }
  for (const auto& [id, charged] : charges_) {
    AddToHosts(sessions_.at(id), charged, by_id, &hosts);
  }
  return hosts;
}

// At each of its servers that are looked at, with what it has there. It is ended or made slower at
// all of them.
void Pool::AddToHosts(const v1::Session& session,
                      const Charged& charged,
                      const std::unordered_map<std::string, size_t>& by_id,
                      std::vector<HostPicture>* hosts) const {
  const farlane::pool::Grant* const grant = cluster_.FindGrant(session.id());
  for (const std::string& server : ServersOf(session)) {
    const auto at = by_id.find(server);
    if (grant == nullptr || at == by_id.end()) {
      continue;
    }
    const uint64_t limit_ms = 1000ull * session.spec().time_limit_s();
    RunningSession running{
        .id = session.id(),
        .project = charged.project,
        .priority = charged.priority,
        .share = grant->share,
        .memory = grant->memory_bytes,
        .amount = charged.amount,
        .started_ms = session.started_ms() == 0 ? session.created_ms() : session.started_ms(),
        .share_least = grant->share};
    running.ends_ms = limit_ms == 0 ? 0 : running.started_ms + static_cast<int64_t>(limit_ms);
    if (!IsAlone(session.spec()) && charged.priority != Priority::kBestEffort) {
      const double wish =
          session.share_wanted() != 0 ? session.share_wanted() : session.spec().slice().share();
      running.share_least = std::min(running.share, Share(wish * kShareKept));
    }
    const uint32_t index = *cluster_.Find(server);
    for (const uint32_t device : grant->devices) {
      if (cluster_.ServerOfDevice(device) == index) {
        running.devices.push_back(device - cluster_.servers()[index].device_first);
      }
    }
    (*hosts)[at->second].sessions.push_back(std::move(running));
  }
}

}  // namespace farlane::pool
