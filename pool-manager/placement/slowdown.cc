// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/slowdown.h"

#include <algorithm>
#include <cstdio>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

constexpr double kPagingCost = 20;    // of a device's whole memory too much
constexpr double kScarceFrom = 0.75;  // of a domain, before its nearness has a price
constexpr double kWorsePlace = 0.05;  // a taint that does not repel
constexpr double kNicLeast = 0.05;    // even a full line gives a newcomer something

double Share(const Request& request) {
  return static_cast<double>(request.share) / kWholeShare;
}

double Bandwidth(const ServerView& server, const LinkEstimate& link, const Request& request) {
  double least = link.bytes_per_s;
  const auto limit = [&](double bytes_per_s) {
    if (bytes_per_s > 0 && (least <= 0 || bytes_per_s < least)) {
      least = bytes_per_s;
    }
  };
  limit(request.client_nic_bytes_per_s);
  if (server.nic_bytes_per_s > 0) {
    const double used = server.nic_reported_bytes_per_s + server.nic_expected_bytes_per_s;
    limit(std::max(server.nic_bytes_per_s - used, kNicLeast * server.nic_bytes_per_s));
  }
  return least;
}

double Scarcity(const DomainView& domain) {
  const double scarce = std::max(0.0, domain.Occupancy() - kScarceFrom) / (1 - kScarceFrom);
  return scarce * scarce;
}

double Fill(const ServerView& server, const DeviceView& device, const Request& request) {
  const double asked = request.GuaranteedShare();
  const double of_device = (device.promised_share + asked) / kWholeShare;
  const double of_server =
      (static_cast<double>(server.promised_share) + asked) / kWholeShare / server.devices_count;
  return (of_device + of_server) / 2;
}

double Kilowatts(const ClusterView& cluster,
                 const ServerView& server,
                 const DeviceView& device,
                 double busy) {
  double watts = std::max(0.0F, device.facts.busy_watts - device.facts.idle_watts) * busy;
  if (server.promised_share == 0) {
    // Nobody is there: the whole machine could have slept.
    for (uint32_t i = 0; i < server.devices_count; ++i) {
      watts += cluster.devices()[server.device_first + i].facts.idle_watts;
    }
  }
  return watts / 1000;
}

double FragmentationAdded(const Demand& demand, const DeviceView& device, const Request& request) {
  if (demand.shapes().empty()) {
    return 0;
  }
  const double share_left =
      std::max(0.0, 1 - static_cast<double>(device.promised_share) / kWholeShare);
  const double share_after =
      std::max(0.0, share_left - static_cast<double>(request.GuaranteedShare()) / kWholeShare);
  const uint64_t memory_left =
      device.facts.memory_bytes - std::min(device.facts.memory_bytes, device.promised_bytes);
  const uint64_t memory_after = memory_left - std::min(memory_left, request.memory_bytes);
  return Fragmentation(demand, share_after, memory_after) -
         Fragmentation(demand, share_left, memory_left);
}

}  // namespace

double Fragmentation(const Demand& demand, double share_left, uint64_t memory_left) {
  double lost = 0;
  for (const RequestShape& shape : demand.shapes()) {
    const bool fits = shape.share <= share_left * kWholeShare && shape.memory_bytes <= memory_left;
    lost += fits ? 0 : shape.weight * share_left;
  }
  return demand.shapes_weight() > 0 ? lost / demand.shapes_weight() : 0;
}

double NetworkLoss(const ServerView& server, const LinkEstimate& link, const Request& request) {
  const double bytes_per_s = Bandwidth(server, link, request);
  const double transfer = bytes_per_s > 0 ? request.profile.bytes_per_gpu_s.mean / bytes_per_s : 0;
  return request.profile.calls_per_gpu_s.mean * link.rtt_s + transfer;
}

void AddServerTerms(const ClusterView& cluster,
                    const ServerView& server,
                    const LinkEstimate& link,
                    const Request& request,
                    Slowdown* terms) {
  terms->network = NetworkLoss(server, link, request);
  const DomainView& domain = cluster.domains()[server.domain];
  terms->opportunity =
      Share(request) * Scarcity(domain) * cluster.demand().NearValue(server.domain);
  terms->health = server.risk + (server.worse_place ? kWorsePlace : 0);
}

void AddDeviceTerms(const ClusterView& cluster,
                    const ServerView& server,
                    const DeviceView& device,
                    const Request& request,
                    const PlacementPolicy& policy,
                    Slowdown* terms) {
  const double busy = request.profile.busy.mean, others = device.Busy();
  terms->compute =
      std::max(0.0, others + busy - 1) + request.profile.switching.mean * others * busy;
  const auto memory = static_cast<double>(device.facts.memory_bytes);
  const double too_much = device.WorkingSet() + request.profile.working_set_bytes.mean - memory;
  terms->memory = memory > 0 ? std::max(0.0, too_much) / memory * kPagingCost : 0;
  // What has no weight need not be known.
  if (policy.opportunity != 0) {
    terms->opportunity += cluster.domains()[server.domain].room.PriceOf(device.promised_share,
                                                                        request.GuaranteedShare());
  }
  if (policy.fragmentation != 0) {
    terms->fragmentation = FragmentationAdded(cluster.demand(), device, request);
  }
  if (policy.fill != 0) {
    terms->fill = Fill(server, device, request);
  }
  if (policy.speed != 0) {
    terms->speed = device.facts.speed > 0 ? 1 / device.facts.speed - 1 : 0;
  }
  if (policy.cost != 0) {
    terms->cost = device.facts.price_per_hour * Share(request);
  }
  if (policy.energy != 0) {
    terms->energy = Kilowatts(cluster, server, device, busy);
  }
}

double Slowdown::Score(const PlacementPolicy& policy) const {
  return policy.network * network + policy.compute * compute + policy.memory * memory +
         policy.opportunity * opportunity + policy.fragmentation * fragmentation +
         policy.health * health - policy.affinity * affinity + policy.fill * fill +
         policy.speed * speed + policy.cost * cost + policy.energy * energy + peers + hysteresis +
         rules;
}

std::string Slowdown::Text(const PlacementPolicy& policy) const {
  const struct {
    const char* name;
    double weighted;
  } parts[] = {{"network", policy.network * network},
               {"compute", policy.compute * compute},
               {"memory", policy.memory * memory},
               {"opportunity", policy.opportunity * opportunity},
               {"fragmentation", policy.fragmentation * fragmentation},
               {"health", policy.health * health},
               {"affinity", -policy.affinity * affinity},
               {"fill", policy.fill * fill},
               {"speed", policy.speed * speed},
               {"cost", policy.cost * cost},
               {"energy", policy.energy * energy},
               {"peers", peers},
               {"hysteresis", hysteresis},
               {"rules", rules}};

  std::string text;
  for (const auto& part : parts) {
    char words[64];
    snprintf(words, sizeof words, "%s %.2f %%", part.name, 100 * part.weighted);
    const bool nothing = part.weighted < 5e-5 && part.weighted > -5e-5;
    text += nothing ? "" : (text.empty() ? "" : ", ") + std::string(words);
  }
  return text.empty() ? "nothing lost" : text;
}

}  // namespace farlane::pool
