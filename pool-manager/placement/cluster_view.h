// SPDX-License-Identifier: Apache-2.0
// ClusterView is the pool as placement sees it: servers, their devices, where they stand, and what
// has been promised of them. Whoever decides on a session calls Assume at once, before anything is
// written anywhere, so that the next decision sees it; and Forget if it comes to nothing.
//
// An index of a server or device stays the same for as long as it is in the pool.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pool-manager/placement/demand.h"
#include "pool-manager/placement/device_view.h"
#include "pool-manager/placement/grant.h"
#include "pool-manager/placement/near_room.h"
#include "pool-manager/placement/server_view.h"
#include "protocol/base/result.h"

namespace farlane::pool {

// Servers of one zone: among them distance matters little, between them much.
struct DomainView {
  std::string region{};
  std::string zone{};
  std::vector<uint32_t> servers{};
  std::vector<std::vector<uint32_t>> servers_of_model{};
  uint64_t share_capacity = 0;  // of what can be had: ready, not cordoned, healthy
  uint64_t promised_share = 0;  // of these
  NearRoom room{};              // the same, in pieces

  double Occupancy() const {
    return share_capacity == 0
               ? 1.0
               : static_cast<double>(promised_share) / static_cast<double>(share_capacity);
  }
};

struct NewDevice {
  std::string id;
  std::string model;
  DeviceFacts facts;
};

// Thread: caller's; a decision reads it and changes nothing.
class ClusterView {
 public:
  // A server that is new, or that has come back. With the same devices it keeps its promises; with
  // others, its sessions are forgotten and it counts as a new one.
  Result<uint32_t> SetServer(ServerFacts facts, const std::vector<NewDevice>& devices);
  void RemoveServer(uint32_t server);
  void SetState(uint32_t server, ServerState state);
  void SetCordoned(uint32_t server, bool cordoned);
  void SetRisk(uint32_t server, float risk);
  void SetCached(uint32_t server, std::vector<uint64_t> apps);
  void SetNicUsed(uint32_t server, double bytes_per_s);
  void SetDeviceHealth(uint32_t device, bool healthy, bool cordoned);
  void SetLoad(uint32_t device, const DeviceLoad& load);

  // Promises what `grant` says, all or nothing; refuses what is not there, so that two decisions
  // from one view cannot both have the last of something.
  Status Assume(const Grant& grant, double memory_overcommit = 1, double share_overcommit = 1);
  // A session whose doing shows in the reports by now: nothing more is expected of it.
  void Settle(const std::string& session);
  // Gives back what a session was promised; false if there is none of that name.
  bool Forget(const std::string& session);

  // Somebody has asked, who would like to be near a domain.
  void NoteAsked(const Demand::Asked& asked);

  Demand& demand() { return demand_; }

  const Demand& demand() const { return demand_; }

  const std::vector<ServerView>& servers() const { return servers_; }

  const std::vector<DeviceView>& devices() const { return devices_; }

  const std::vector<DomainView>& domains() const { return domains_; }

  const std::vector<std::string>& models() const { return models_; }

  const std::string& DeviceId(uint32_t device) const { return device_ids_[device]; }

  uint32_t ServerOfDevice(uint32_t device) const { return server_of_device_[device]; }

  std::optional<uint32_t> Find(const std::string& server) const;
  std::optional<uint32_t> FindDevice(uint32_t server, std::string_view device) const;
  const Grant* FindGrant(const std::string& session) const;
  // Servers that have sessions of a group, each with how many.
  const std::unordered_map<uint32_t, uint32_t>* ServersOfGroup(uint64_t group) const;
  // The number of a rack, 0 if nobody has named it.
  uint32_t FindRack(const Place& place) const;
  std::optional<uint32_t> FindDomain(const Place& place) const;

  size_t sessions_count() const { return sessions_.size(); }

 private:
  struct Occupant {
    uint64_t tenant = 0;
    Isolation isolation = Isolation::kShared;

    bool operator==(const Occupant&) const = default;
  };

  struct Held {
    Grant grant;
    bool settled = false;
  };

  uint32_t NewSlot(uint32_t devices_count);
  uint16_t InternModel(const std::string& model);
  uint32_t InternDomain(const Place& place);
  uint32_t InternRack(const Place& place);
  void Enter(uint32_t server);
  void Leave(uint32_t server);
  bool HasTheseDevices(uint32_t server, const std::vector<NewDevice>& devices) const;
  void Describe(uint32_t server, ServerFacts facts, const std::vector<NewDevice>& devices);
  Status CheckRoom(const Grant& grant, double memory_overcommit, double share_overcommit) const;
  void Promise(const Grant& grant);
  void Expect(const Grant& grant, double sign);
  void Release(const Held& held);
  void Summarize(uint32_t device);
  void ForgetSessionsOf(uint32_t server);

  std::vector<ServerView> servers_;
  std::vector<DeviceView> devices_;
  std::vector<DomainView> domains_;
  std::vector<std::string> models_;
  std::vector<std::string> device_ids_;
  std::vector<uint32_t> server_of_device_;
  std::vector<std::vector<Occupant>> occupants_;  // of each device
  std::unordered_map<std::string, uint32_t> by_id_;
  std::unordered_map<uint64_t, uint32_t> racks_;
  std::unordered_map<std::string, Held> sessions_;
  std::unordered_map<uint64_t, std::unordered_map<uint32_t, uint32_t>> groups_;
  Demand demand_;
};

}  // namespace farlane::pool
