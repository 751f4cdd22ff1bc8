// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/cluster_view.h"

#include <algorithm>
#include <cmath>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

constexpr size_t kModelsMost = UINT16_MAX;
constexpr size_t kDevicesOfServerMost = 1024;  // far more than any machine has

void Erase(std::vector<uint32_t>& from, uint32_t what) {
  std::erase(from, what);
}

uint64_t Scaled(uint64_t whole, double ratio) {
  return ratio == 1 ? whole : static_cast<uint64_t>(static_cast<double>(whole) * ratio);
}

bool CanBeHad(const ServerView& server) {
  return server.state == ServerState::kReady && !server.cordoned;
}

bool CanBeHad(const DeviceView& device) {
  return device.facts.healthy && !device.facts.cordoned;
}

uint64_t PlaceHash(const Place& place) {
  return JoinHashes(JoinHashes(NameHash(place.region), NameHash(place.zone)), NameHash(place.rack));
}

}  // namespace

uint16_t ClusterView::InternModel(const std::string& model) {
  const auto found = std::find(models_.begin(), models_.end(), model);
  if (found == models_.end()) {
    models_.push_back(model);
    return static_cast<uint16_t>(models_.size() - 1);
  }
  return static_cast<uint16_t>(found - models_.begin());
}

std::optional<uint32_t> ClusterView::FindDomain(const Place& place) const {
  for (size_t i = 0; i < domains_.size(); ++i) {
    if (domains_[i].zone == place.zone && domains_[i].region == place.region) {
      return static_cast<uint32_t>(i);
    }
  }
  return std::nullopt;
}

uint32_t ClusterView::InternDomain(const Place& place) {
  if (const auto found = FindDomain(place)) {
    return *found;
  }
  domains_.push_back({.region = place.region, .zone = place.zone});
  return static_cast<uint32_t>(domains_.size() - 1);
}

uint32_t ClusterView::FindRack(const Place& place) const {
  const auto found = place.rack.empty() ? racks_.end() : racks_.find(PlaceHash(place));
  return found == racks_.end() ? 0 : found->second;
}

uint32_t ClusterView::InternRack(const Place& place) {
  if (place.rack.empty()) {
    return 0;
  }
  return racks_.emplace(PlaceHash(place), static_cast<uint32_t>(racks_.size() + 1)).first->second;
}

// A slot that somebody has left, if it has as many devices; so the arrays do not grow for ever.
uint32_t ClusterView::NewSlot(uint32_t devices_count) {
  for (size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].state == ServerState::kGone && servers_[i].devices_count == devices_count) {
      return static_cast<uint32_t>(i);
    }
  }
  const auto server = static_cast<uint32_t>(servers_.size());
  servers_.emplace_back();
  servers_.back().device_first = static_cast<uint32_t>(devices_.size());
  servers_.back().devices_count = devices_count;
  servers_.back().state = ServerState::kGone;
  devices_.resize(devices_.size() + devices_count);
  device_ids_.resize(devices_.size());
  occupants_.resize(devices_.size());
  server_of_device_.resize(devices_.size(), server);
  return server;
}

bool ClusterView::HasTheseDevices(uint32_t server, const std::vector<NewDevice>& devices) const {
  const ServerView& view = servers_[server];
  for (size_t i = 0; i < devices.size() && devices.size() == view.devices_count; ++i) {
    if (device_ids_[view.device_first + i] != devices[i].id) {
      return false;
    }
  }
  return devices.size() == view.devices_count;
}

Result<uint32_t> ClusterView::SetServer(ServerFacts facts, const std::vector<NewDevice>& devices) {
  if (facts.id.empty() || devices.size() > kDevicesOfServerMost) {
    return Status(StatusCode::kInvalidArgument,
                  "a server needs a name and has at most 1024 devices; this one is \"" + facts.id +
                      "\" with " + std::to_string(devices.size()));
  }
  if (models_.size() + devices.size() > kModelsMost) {
    return Status(StatusCode::kExhausted,
                  "the pool knows 65535 models of devices and takes no more");
  }
  const auto known = Find(facts.id);
  uint32_t server = 0;
  if (known.has_value() && HasTheseDevices(*known, devices)) {
    server = *known;
    Leave(server);
  } else {
    if (known.has_value()) {
      RemoveServer(*known);
    }
    server = NewSlot(static_cast<uint32_t>(devices.size()));
    ServerView& view = servers_[server];
    const ServerView fresh{.device_first = view.device_first, .devices_count = view.devices_count};
    view = fresh;
    for (size_t i = 0; i < devices.size(); ++i) {
      devices_[view.device_first + i] = {};
      device_ids_[view.device_first + i] = devices[i].id;
      occupants_[view.device_first + i].clear();
    }
    by_id_[facts.id] = server;
  }
  Describe(server, std::move(facts), devices);
  Enter(server);
  return server;
}

void ClusterView::Describe(uint32_t server,
                           ServerFacts facts,
                           const std::vector<NewDevice>& devices) {
  ServerView& view = servers_[server];
  view.state = ServerState::kReady;
  view.transports = facts.transports;
  view.domain = InternDomain(facts.place);
  view.rack = InternRack(facts.place);
  view.host = facts.place.host.empty() ? 0 : NameHash(facts.place.host);
  view.nic_bytes_per_s = std::isfinite(facts.nic_bytes_per_s) ? facts.nic_bytes_per_s : 0;
  view.hash = NameHash(facts.id);
  view.worse_place = std::any_of(facts.taints.begin(), facts.taints.end(),
                                 [](const Taint& taint) { return !taint.repels; });
  for (size_t i = 0; i < devices.size(); ++i) {
    DeviceView& device = devices_[view.device_first + i];
    device.facts = devices[i].facts;
    device.model = InternModel(devices[i].model);
  }
  view.facts = std::move(facts);
}

// Counts a server in where it stands. Whatever is counted there must not change before Leave.
void ClusterView::Enter(uint32_t server) {
  const ServerView& view = servers_[server];
  DomainView& domain = domains_[view.domain];
  domain.servers.push_back(server);
  domain.servers_of_model.resize(models_.size());
  for (uint32_t i = 0; i < view.devices_count; ++i) {
    const DeviceView& device = devices_[view.device_first + i];
    std::vector<uint32_t>& of_model = domain.servers_of_model[device.model];
    if (of_model.empty() || of_model.back() != server) {
      of_model.push_back(server);
    }
    if (CanBeHad(view) && CanBeHad(device)) {
      domain.share_capacity += kWholeShare;
      domain.promised_share += device.promised_share;
      domain.room.AddDevice(device.promised_share);
    }
  }
}

void ClusterView::Leave(uint32_t server) {
  const ServerView& view = servers_[server];
  if (view.state == ServerState::kGone) {
    return;
  }
  DomainView& domain = domains_[view.domain];
  Erase(domain.servers, server);
  for (std::vector<uint32_t>& of_model : domain.servers_of_model) {
    Erase(of_model, server);
  }
  for (uint32_t i = 0; i < view.devices_count; ++i) {
    const DeviceView& device = devices_[view.device_first + i];
    if (CanBeHad(view) && CanBeHad(device)) {
      domain.share_capacity -= kWholeShare;
      domain.promised_share -= device.promised_share;
      domain.room.DropDevice(device.promised_share);
    }
  }
}

void ClusterView::ForgetSessionsOf(uint32_t server) {
  std::vector<std::string> gone;
  for (const auto& [session, held] : sessions_) {
    if (std::any_of(held.grant.devices.begin(), held.grant.devices.end(),
                    [&](uint32_t device) { return server_of_device_[device] == server; })) {
      gone.push_back(session);
    }
  }
  for (const std::string& session : gone) {
    Forget(session);
  }
}

void ClusterView::RemoveServer(uint32_t server) {
  if (server >= servers_.size() || servers_[server].state == ServerState::kGone) {
    return;
  }
  ForgetSessionsOf(server);
  Leave(server);
  by_id_.erase(servers_[server].facts.id);
  servers_[server].state = ServerState::kGone;
}

void ClusterView::SetState(uint32_t server, ServerState state) {
  if (state == ServerState::kGone) {
    RemoveServer(server);
  } else if (servers_[server].state != ServerState::kGone && servers_[server].state != state) {
    Leave(server);
    servers_[server].state = state;
    Enter(server);
  }
}

void ClusterView::SetCordoned(uint32_t server, bool cordoned) {
  ServerView& view = servers_[server];
  if (view.state != ServerState::kGone && view.cordoned != cordoned) {
    Leave(server);
    view.cordoned = cordoned;
    Enter(server);
  }
}

void ClusterView::SetRisk(uint32_t server, float risk) {
  servers_[server].risk = std::isfinite(risk) ? std::max(risk, 0.0F) : 0;
}

void ClusterView::SetCached(uint32_t server, std::vector<uint64_t> apps) {
  std::sort(apps.begin(), apps.end());
  servers_[server].cached = std::move(apps);
}

void ClusterView::SetNicUsed(uint32_t server, double bytes_per_s) {
  servers_[server].nic_reported_bytes_per_s =
      std::isfinite(bytes_per_s) ? std::max(bytes_per_s, 0.0) : 0;
}

void ClusterView::SetDeviceHealth(uint32_t device, bool healthy, bool cordoned) {
  const uint32_t server = server_of_device_[device];
  DeviceFacts& facts = devices_[device].facts;
  if (servers_[server].state != ServerState::kGone &&
      (facts.healthy != healthy || facts.cordoned != cordoned)) {
    Leave(server);
    facts.healthy = healthy;
    facts.cordoned = cordoned;
    Enter(server);
  }
}

void ClusterView::SetLoad(uint32_t device, const DeviceLoad& load) {
  devices_[device].load = load;
  const float busy = load.busy;
  devices_[device].load.busy = std::isfinite(busy) ? std::clamp(busy, 0.0F, 1.0F) : 0;
}

Status ClusterView::CheckRoom(const Grant& grant,
                              double memory_overcommit,
                              double share_overcommit) const {
  for (size_t i = 0; i < grant.devices.size(); ++i) {
    const uint32_t index = grant.devices[i];
    if (index >= devices_.size() ||
        std::find(grant.devices.begin(), grant.devices.begin() + static_cast<std::ptrdiff_t>(i),
                  index) != grant.devices.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Status(StatusCode::kInvalidArgument, "session " + grant.session + " names device " +
                                                      std::to_string(index) +
                                                      " twice, or there is none");
    }
    const DeviceView& device = devices_[index];
    const std::string what = "device " + device_ids_[index] + " of server " +
                             servers_[server_of_device_[index]].facts.id;
    if (servers_[server_of_device_[index]].state == ServerState::kGone) {
      return Status(StatusCode::kUnavailable, what + " is gone");
    }
    if (device.promised_share + uint64_t{grant.share} > Scaled(kWholeShare, share_overcommit)) {
      return Status(StatusCode::kExhausted, what + " has promised " +
                                                ShareText(device.promised_share) + " and cannot " +
                                                ShareText(grant.share) + " more");
    }
    const uint64_t memory = device.facts.memory_bytes;
    if (device.promised_bytes > memory || grant.memory_bytes > memory - device.promised_bytes) {
      return Status(StatusCode::kExhausted, what + " has promised " +
                                                std::to_string(device.promised_bytes) + " of " +
                                                std::to_string(memory) + " bytes and cannot " +
                                                std::to_string(grant.memory_bytes) + " more");
    }
    const uint64_t limit = Scaled(memory, memory_overcommit);
    if (device.limit_bytes > limit || grant.memory_limit_bytes > limit - device.limit_bytes) {
      return Status(StatusCode::kExhausted,
                    what + " has limits of " + std::to_string(device.limit_bytes) + " bytes; " +
                        std::to_string(grant.memory_limit_bytes) + " more are too many");
    }
    if (!MayEnter(device, grant.isolation, grant.tenant.empty() ? 0 : NameHash(grant.tenant))) {
      return Status(StatusCode::kRefused, what + " has sessions that isolation " +
                                              IsolationName(grant.isolation) + " does not meet");
    }
  }
  return Status::Ok();
}

Status ClusterView::Assume(const Grant& grant, double memory_overcommit, double share_overcommit) {
  if (grant.session.empty() || grant.devices.empty() || sessions_.contains(grant.session)) {
    return Status(StatusCode::kInvalidArgument,
                  "session \"" + grant.session + "\" has no name, no device, or is there already");
  }
  FARLANE_TRY(CheckRoom(grant, memory_overcommit, share_overcommit));
  Promise(grant);
  Expect(grant, 1);
  sessions_.emplace(grant.session, Held{.grant = grant});
  return Status::Ok();
}

void ClusterView::Promise(const Grant& grant) {
  const uint64_t tenant = grant.tenant.empty() ? 0 : NameHash(grant.tenant);
  for (const uint32_t index : grant.devices) {
    DeviceView& device = devices_[index];
    ServerView& server = servers_[server_of_device_[index]];
    device.promised_share += grant.share;
    device.promised_bytes += grant.memory_bytes;
    device.limit_bytes += grant.memory_limit_bytes;
    server.promised_share += grant.share;
    if (CanBeHad(server) && CanBeHad(device)) {
      domains_[server.domain].promised_share += grant.share;
      domains_[server.domain].room.Change(device.promised_share - grant.share,
                                          device.promised_share);
    }
    occupants_[index].push_back({.tenant = tenant, .isolation = grant.isolation});
    Summarize(index);
    if (!grant.group.empty()) {
      ++groups_[NameHash(grant.group)][server_of_device_[index]];
    }
  }
}

// What a young session will do is spread evenly over its devices; its data passes by one server.
void ClusterView::Expect(const Grant& grant, double sign) {
  const double bytes_each = grant.bytes_per_s / static_cast<double>(grant.devices.size());
  for (const uint32_t index : grant.devices) {
    DeviceView& device = devices_[index];
    ServerView& server = servers_[server_of_device_[index]];
    device.expected_busy =
        std::max(0.0F, device.expected_busy + static_cast<float>(sign * grant.busy));
    device.expected_working_set_bytes =
        std::max(0.0F, device.expected_working_set_bytes +
                           static_cast<float>(sign * grant.working_set_bytes));
    server.nic_expected_bytes_per_s =
        std::max(0.0, server.nic_expected_bytes_per_s + sign * bytes_each);
  }
}

void ClusterView::Settle(const std::string& session) {
  const auto found = sessions_.find(session);
  if (found != sessions_.end() && !found->second.settled) {
    found->second.settled = true;
    Expect(found->second.grant, -1);
  }
}

bool ClusterView::Forget(const std::string& session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) {
    return false;
  }
  Release(found->second);
  sessions_.erase(found);
  return true;
}

void ClusterView::NoteAsked(const Demand::Asked& asked) {
  demand_.Note(asked);
  if (asked.domain < domains_.size()) {
    domains_[asked.domain].room.NoteAsked(asked.loss, asked.share);
  }
}

void ClusterView::Release(const Held& held) {
  const Grant& grant = held.grant;
  if (!held.settled) {
    Expect(grant, -1);
  }
  const Occupant occupant{.tenant = grant.tenant.empty() ? 0 : NameHash(grant.tenant),
                          .isolation = grant.isolation};
  for (const uint32_t index : grant.devices) {
    DeviceView& device = devices_[index];
    ServerView& server = servers_[server_of_device_[index]];
    device.promised_share -= grant.share;
    device.promised_bytes -= grant.memory_bytes;
    device.limit_bytes -= grant.memory_limit_bytes;
    server.promised_share -= grant.share;
    if (CanBeHad(server) && CanBeHad(device)) {
      domains_[server.domain].promised_share -= grant.share;
      domains_[server.domain].room.Change(device.promised_share + grant.share,
                                          device.promised_share);
    }
    std::vector<Occupant>& there = occupants_[index];
    there.erase(std::find(there.begin(), there.end(), occupant));
    Summarize(index);
    if (!grant.group.empty()) {
      auto& of_group = groups_[NameHash(grant.group)];
      if (--of_group[server_of_device_[index]] == 0) {
        of_group.erase(server_of_device_[index]);
      }
      if (of_group.empty()) {
        groups_.erase(NameHash(grant.group));
      }
    }
  }
}

void ClusterView::Summarize(uint32_t index) {
  DeviceView& device = devices_[index];
  const std::vector<Occupant>& there = occupants_[index];
  device.sessions = static_cast<uint16_t>(std::min<size_t>(there.size(), UINT16_MAX));
  device.tenant = there.empty() ? 0 : there.front().tenant;
  device.held = Isolation::kShared;
  if (there.empty()) {
    // Sums of fractions do not come back to nothing by themselves.
    device.expected_busy = 0;
    device.expected_working_set_bytes = 0;
  }
  for (const Occupant& one : there) {
    if (one.tenant != device.tenant) {
      device.tenant = kManyTenants;
    }
    if (one.isolation == Isolation::kExclusive || one.isolation == Isolation::kTenant) {
      device.held = std::max(device.held, one.isolation);
    }
  }
}

std::optional<uint32_t> ClusterView::Find(const std::string& server) const {
  const auto found = by_id_.find(server);
  return found == by_id_.end() ? std::nullopt : std::optional<uint32_t>(found->second);
}

std::optional<uint32_t> ClusterView::FindDevice(uint32_t server, std::string_view device) const {
  const ServerView& view = servers_[server];
  for (uint32_t i = 0; i < view.devices_count; ++i) {
    if (device_ids_[view.device_first + i] == device) {
      return view.device_first + i;
    }
  }
  return std::nullopt;
}

const Grant* ClusterView::FindGrant(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : &found->second.grant;
}

const std::unordered_map<uint32_t, uint32_t>* ClusterView::ServersOfGroup(uint64_t group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

}  // namespace farlane::pool
