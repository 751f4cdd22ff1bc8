// SPDX-License-Identifier: Apache-2.0
// A SmallCluster is a pool of a few servers to try decisions on, and the request that everybody
// asks.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "pool-manager/placement/decide.h"

namespace farlane::pool {

inline constexpr uint64_t kGiB = uint64_t{1} << 30;

struct SmallServer {
  std::string id{};
  std::string zone = "a";
  std::string rack{};
  uint32_t devices = 2;
  std::string model = "H100";
  std::vector<Label> labels{};
  std::vector<Taint> taints{};
};

class SmallCluster {
 public:
  uint32_t Add(const SmallServer& server) {
    ServerFacts facts;
    facts.id = server.id;
    facts.pools = {"default"};
    facts.labels = server.labels;
    facts.taints = server.taints;
    facts.place.region = "r";
    facts.place.zone = server.zone;
    facts.place.rack = server.rack;
    facts.nic_bytes_per_s = 10e9;
    std::vector<NewDevice> devices;
    for (uint32_t i = 0; i < server.devices; ++i) {
      DeviceFacts device;
      device.memory_bytes = 80 * kGiB;
      device.compute_capability = 90;
      device.cuda_version = 13000;
      devices.push_back(
          {.id = server.id + "-" + std::to_string(i), .model = server.model, .facts = device});
    }
    const Result<uint32_t> index = view.SetServer(facts, devices);
    EXPECT_TRUE(index.ok()) << index.error().message();
    return *index;
  }

  Decision Ask(const Request& request, const PlacementPolicy& policy = {}) const {
    return Decide(view, Network(), request, policy);
  }

  // Decides and promises.
  Decision Put(const Request& request, const PlacementPolicy& policy = {}) {
    Decision decision = Ask(request, policy);
    EXPECT_TRUE(decision.placed) << decision.refusal;
    const Status status = view.Assume(GrantOf(request.id, request, decision),
                                      policy.memory_overcommit, policy.share_overcommit);
    EXPECT_TRUE(status.ok()) << status.message();
    return decision;
  }

  // Sees the pool from its zone "a".
  NetworkView Network() const {
    Place client;
    client.region = "r";
    client.zone = "a";
    client.rack = "1";
    return NetworkView(view, client, distances);
  }

  ClusterView view;
  DistanceTable distances;
};

inline Request HalfAGpu(const std::string& id = "q") {
  Request request;
  request.id = id;
  request.tenant = "t";
  request.app = "app";
  request.share = kWholeShare / 2;
  request.memory_bytes = 10 * kGiB;
  request.profile = AppProfile::OfClass(AppClass::kInfer);
  return request;
}

inline uint32_t ServerOf(const Decision& decision) {
  return decision.chosen().servers.front().server;
}

}  // namespace farlane::pool
