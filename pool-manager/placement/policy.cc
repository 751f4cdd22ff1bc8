// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/policy.h"

#include <cmath>

namespace farlane::pool {
namespace {

constexpr double kWeightMost = 1000;  // beyond, sums lose what is small beside it
constexpr double kOvercommitMost = 100;

PlacementPolicy Balanced() {
  return {};
}

PlacementPolicy Binpack() {
  PlacementPolicy policy{.name = "binpack"};
  policy.compute = 0.5;
  policy.fragmentation = 0.5;
  policy.fill = -0.5;
  return policy;
}

PlacementPolicy Spread() {
  PlacementPolicy policy{.name = "spread"};
  policy.fragmentation = 0;
  policy.fill = 0.5;
  return policy;
}

PlacementPolicy Latency() {
  PlacementPolicy policy{.name = "latency"};
  policy.network = 4;
  policy.opportunity = 0.25;
  return policy;
}

PlacementPolicy Compute() {
  PlacementPolicy policy{.name = "compute"};
  policy.compute = 2;
  policy.speed = 1;
  return policy;
}

PlacementPolicy Cost() {
  PlacementPolicy policy{.name = "cost"};
  policy.cost = 0.2;
  return policy;
}

PlacementPolicy Energy() {
  PlacementPolicy policy{.name = "energy"};
  policy.energy = 1;
  policy.fill = -0.2;
  return policy;
}

struct Entry {
  const char* name;
  PlacementPolicy (*make)();
};

constexpr Entry kPolicies[] = {{"balanced", Balanced}, {"binpack", Binpack}, {"spread", Spread},
                               {"latency", Latency},   {"compute", Compute}, {"cost", Cost},
                               {"energy", Energy}};

struct Number {
  const char* name;
  double value;
};

}  // namespace

const std::vector<std::string>& PlacementPolicy::Names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Entry& entry : kPolicies) {
      all.emplace_back(entry.name);
    }
    return all;
  }();
  return names;
}

Result<PlacementPolicy> PlacementPolicy::Named(const std::string& name) {
  std::string all;
  for (const Entry& entry : kPolicies) {
    if (name == entry.name) {
      return entry.make();
    }
    all += (all.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Status(StatusCode::kNotFound,
                "there is no placement policy \"" + name + "\" (there are " + all + ")");
}

Status CheckPolicy(const PlacementPolicy& policy) {
  const Number weights[] = {{"network", policy.network},
                            {"compute", policy.compute},
                            {"memory", policy.memory},
                            {"opportunity", policy.opportunity},
                            {"fragmentation", policy.fragmentation},
                            {"health", policy.health},
                            {"affinity", policy.affinity},
                            {"fill", policy.fill},
                            {"speed", policy.speed},
                            {"cost", policy.cost},
                            {"energy", policy.energy}};
  for (const Number& weight : weights) {
    if (!std::isfinite(weight.value) || std::abs(weight.value) > kWeightMost) {
      return Status(StatusCode::kInvalidArgument, "the weight " + std::string(weight.name) +
                                                      " of placement policy \"" + policy.name +
                                                      "\" is " + std::to_string(weight.value) +
                                                      "; it may be from -1000 to 1000");
    }
  }
  for (const Number& ratio :
       {Number{"memory", policy.memory_overcommit}, Number{"share", policy.share_overcommit}}) {
    if (!(ratio.value >= 1 && ratio.value <= kOvercommitMost)) {
      return Status(StatusCode::kInvalidArgument, "the overcommit of " + std::string(ratio.name) +
                                                      " of placement policy \"" + policy.name +
                                                      "\" is " + std::to_string(ratio.value) +
                                                      "; it may be from 1 to 100");
    }
  }
  return Status::Ok();
}

}  // namespace farlane::pool
