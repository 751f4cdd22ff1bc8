// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/never.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <set>

#include "protocol/base/part_key.h"

namespace farlane::pool {
namespace {

constexpr size_t kModelsTold = 5;

// What a server or a device must be, in the order in which it is looked at.
enum class Need : uint8_t {
  kPool,
  kTransport,
  kLabels,
  kDevices,
  kModel,
  kCapability,
  kDriver,
  kIsolation,
  kMemory,
  kShare,
  kNone,
};

// How far the servers come that come furthest, and what is the most that they have there.
struct Furthest {
  Need lacks = Need::kPool;
  uint32_t servers = 0;
  double most = 0;
  std::set<std::string> models{};  // of Need::kModel: those that there are
};

bool IsInPool(const ServerView& server, const Request& request) {
  const std::vector<std::string>& pools = server.facts.pools;
  return request.pools.empty() ||
         std::any_of(request.pools.begin(), request.pools.end(), [&](const std::string& one) {
           return std::find(pools.begin(), pools.end(), one) != pools.end();
         });
}

bool IsModel(const ClusterView& cluster, const Request& request, const DeviceView& device) {
  return request.models.empty() ||
         std::any_of(request.models.begin(), request.models.end(), [&](const auto& pattern) {
           return MatchesName(pattern, cluster.models()[device.model]);
         });
}

// Immutable; lives no longer than what it was made of.
class Judge {
 public:
  Judge(const ClusterView& cluster, const Request& request, const PlacementPolicy& policy)
      : cluster_(cluster), request_(request), policy_(policy) {}

  // What the server lacks first, when nobody is there; `most`: how much of it there is, or, if it
  // lacks nothing, how many devices would do.
  Need LacksOf(const ServerView& server, double* most) const;
  std::string Text(const Furthest& furthest) const;

 private:
  bool Has(Need need, const DeviceView& device) const;
  double AmountOf(Need need, const DeviceView& device) const;

  const ClusterView& cluster_;
  const Request& request_;
  const PlacementPolicy& policy_;
};

bool Judge::Has(Need need, const DeviceView& device) const {
  const DeviceFacts& facts = device.facts;
  switch (need) {
    case Need::kModel:
      return IsModel(cluster_, request_, device);
    case Need::kCapability:
      return facts.compute_capability >= request_.compute_capability_min;
    case Need::kDriver:
      return facts.cuda_version >= request_.cuda_version_min;
    case Need::kIsolation:
      return (facts.offers & SetOf(request_.isolation)) != 0;
    case Need::kMemory:
      return request_.memory_bytes <= facts.memory_bytes &&
             static_cast<double>(request_.MemoryLimit()) <=
                 static_cast<double>(facts.memory_bytes) * policy_.memory_overcommit;
    case Need::kShare:
      return request_.GuaranteedShare() <= kWholeShare * policy_.share_overcommit;
    default:
      return true;
  }
}

double Judge::AmountOf(Need need, const DeviceView& device) const {
  switch (need) {
    case Need::kCapability:
      return device.facts.compute_capability;
    case Need::kDriver:
      return device.facts.cuda_version;
    case Need::kMemory:
      return static_cast<double>(device.facts.memory_bytes);
    default:
      return 0;
  }
}

Need Judge::LacksOf(const ServerView& server, double* most) const {
  *most = server.devices_count;
  if (!IsInPool(server, request_)) {
    return Need::kPool;
  }
  if ((server.transports & request_.transports) == 0) {
    return Need::kTransport;
  }
  if (!Selects(request_.selector, server.facts.labels)) {
    return Need::kLabels;
  }
  const uint32_t wanted = request_.across_servers ? 1 : request_.devices;
  std::vector<const DeviceView*> devices;
  for (uint32_t i = 0; i < server.devices_count; ++i) {
    devices.push_back(&cluster_.devices()[server.device_first + i]);
  }
  if (devices.size() < wanted) {
    return Need::kDevices;
  }
  for (Need need = Need::kModel; need != Need::kNone;
       need = static_cast<Need>(static_cast<uint8_t>(need) + 1)) {
    // So many devices have at least that much.
    std::sort(devices.begin(), devices.end(), [&](const DeviceView* a, const DeviceView* b) {
      return AmountOf(need, *a) > AmountOf(need, *b);
    });
    *most = AmountOf(need, *devices[wanted - 1]);
    std::erase_if(devices, [&](const DeviceView* one) { return !Has(need, *one); });
    if (devices.size() < wanted) {
      return need;
    }
  }
  *most = static_cast<double>(devices.size());
  return Need::kNone;
}

std::string Gib(double bytes) {
  char text[48];
  snprintf(text, sizeof text, "%.10g GiB", std::round(10 * bytes / (1u << 30)) / 10);
  return text;
}

std::string Capability(double number) {
  char text[32];
  snprintf(text, sizeof text, "%.1f", number / 10);
  return text;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

std::string LabelText(const std::vector<LabelRule>& rules) {
  std::vector<std::string> words;
  for (const LabelRule& rule : rules) {
    words.push_back(rule.key + (rule.values.empty() ? "" : "=" + Joined(rule.values)));
  }
  return Joined(words);
}

std::string ModelText(const Furthest& furthest) {
  std::vector<std::string> told(furthest.models.begin(), furthest.models.end());
  const size_t more = told.size() > kModelsTold ? told.size() - kModelsTold : 0;
  told.resize(told.size() - more);
  return told.empty() ? ""
                      : "; there are " + Joined(told) +
                            (more == 0 ? "" : " and " + std::to_string(more) + " more");
}

std::string Judge::Text(const Furthest& furthest) const {
  const std::string each =
      request_.devices == 1 ? "" : " of each of " + std::to_string(request_.devices) + " devices";
  const std::string devices =
      request_.devices == 1 ? "a device" : std::to_string(request_.devices) + " devices";
  switch (furthest.lacks) {
    case Need::kPool:
      return "it wants a server of " + Joined(request_.pools) + ", and none is in it";
    case Need::kTransport:
      return "no server has a transport that the client has";
    case Need::kLabels:
      return "it wants a server with the labels " + LabelText(request_.selector) +
             ", and none has them";
    case Need::kDevices:
      return "it wants " + std::to_string(request_.devices) + " GPUs of one server, and the most " +
             "that one has is " + std::to_string(static_cast<int>(furthest.most));
    case Need::kModel:
      return "it wants " + devices + " of the model " + Joined(request_.models) +
             ", and no server has " + (request_.devices == 1 ? "one" : "so many") +
             ModelText(furthest);
    case Need::kCapability:
      return "it wants compute capability " + Capability(request_.compute_capability_min) + each +
             ", and the most that there is is " + Capability(furthest.most);
    case Need::kDriver:
      return "it wants a driver for CUDA " + std::to_string(request_.cuda_version_min) +
             ", and the newest is for " + std::to_string(static_cast<int>(furthest.most));
    case Need::kIsolation:
      return "it wants " + devices + " with isolation \"" + IsolationName(request_.isolation) +
             "\", and no server has " + (request_.devices == 1 ? "one" : "so many");
    case Need::kMemory:
      return "it wants " + Gib(static_cast<double>(request_.MemoryLimit())) + " of memory" + each +
             ", and the most that there is is " + Gib(furthest.most);
    default:
      return "it wants a share of " + ShareText(request_.GuaranteedShare()) +
             ", and the pool's policy promises less of a device";
  }
}

// Across servers: so many as a program has at most, those with the most devices.
std::optional<std::string> WhyNeverTogether(const Request& request, std::vector<uint32_t> have) {
  std::sort(have.rbegin(), have.rend());
  have.resize(std::min<size_t>(have.size(), kPartsMost));
  const uint32_t all = std::accumulate(have.begin(), have.end(), 0u);
  if (all >= request.devices) {
    return std::nullopt;
  }
  return "the pool can never take it: it wants " + std::to_string(request.devices) +
         " GPUs across servers, and of those that would do " + std::to_string(have.size()) +
         (have.size() == 1 ? " server has " : " servers have ") + std::to_string(all) + " together";
}

}  // namespace

std::optional<std::string> WhyNever(const ClusterView& cluster,
                                    const Request& request,
                                    const PlacementPolicy& policy) {
  const Judge judge(cluster, request, policy);
  Furthest furthest;
  uint32_t servers = 0;
  std::vector<uint32_t> have;  // devices that would do, of each server that has any
  for (const ServerView& server : cluster.servers()) {
    if (server.state == ServerState::kGone) {
      continue;
    }
    ++servers;
    double most = 0;
    const Need lacks = judge.LacksOf(server, &most);
    if (lacks == Need::kNone && !request.across_servers) {
      return std::nullopt;
    }
    if (lacks == Need::kNone) {
      have.push_back(static_cast<uint32_t>(most));
      continue;
    }
    if (lacks > furthest.lacks) {
      furthest = {.lacks = lacks};
    }
    if (lacks == furthest.lacks) {
      ++furthest.servers;
      furthest.most = std::max(furthest.most, most);
      for (uint32_t i = 0; i < server.devices_count; ++i) {
        furthest.models.insert(cluster.models()[cluster.devices()[server.device_first + i].model]);
      }
    }
  }
  if (servers == 0) {
    return std::nullopt;
  }
  if (!have.empty()) {
    return WhyNeverTogether(request, std::move(have));
  }
  return "no server of the pool can ever take it: " + judge.Text(furthest) + " (of " +
         std::to_string(servers) + (servers == 1 ? " server, " : " servers, ") +
         std::to_string(furthest.servers) + (furthest.servers == 1 ? " has" : " have") +
         " the rest)";
}

}  // namespace farlane::pool
