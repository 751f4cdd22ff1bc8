// SPDX-License-Identifier: Apache-2.0
// How long a decision on placement takes, by the processor time of its thread: a pool of 10 000
// servers with 8 devices each, filled by the decisions themselves; and how long it takes to say
// that nobody can. Run by hand: tests/bench/placement_bench [SERVERS] [DECISIONS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <time.h>

#include "pool-manager/placement/decide.h"
#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint32_t kZones = 16;

double ThreadMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

ClusterView MakeCluster(uint32_t servers) {
  ClusterView cluster;
  for (uint32_t i = 0; i < servers; ++i) {
    ServerFacts facts;
    facts.id = "server-" + std::to_string(i);
    facts.pools = {"default"};
    facts.labels = {{"tier", i % 3 == 0 ? "gold" : "iron"}, {"owner", "all"}};
    facts.place.region = "r" + std::to_string(i % kZones / 4);
    facts.place.zone = "z" + std::to_string(i % kZones);
    facts.place.rack = std::to_string(i / 320);
    facts.nic_bytes_per_s = 25e9;
    std::vector<NewDevice> devices(8);
    for (uint32_t k = 0; k < 8; ++k) {
      devices[k].id = facts.id + "-" + std::to_string(k);
      devices[k].model = "model-" + std::to_string(MixBits(i) % 4);
      devices[k].facts.memory_bytes = 80 * kGiB;
      devices[k].facts.compute_capability = 90;
      devices[k].facts.cuda_version = 13000;
    }
    if (!cluster.SetServer(std::move(facts), devices).ok()) {
      abort();
    }
  }
  return cluster;
}

Request MakeRequest(uint32_t number) {
  const uint64_t bits = MixBits(number + 1);
  Request request;
  request.id = "request " + std::to_string(number);
  request.tenant = "tenant " + std::to_string(bits % 50);
  request.app = "app " + std::to_string(bits % 200);
  request.share = static_cast<uint32_t>(1 + bits % 5) * (kWholeShare / 10);
  request.memory_bytes = (uint64_t{4} << (bits % 4)) * kGiB;
  request.models = {"model-" + std::to_string((bits >> 8U) % 4)};
  request.compute_capability_min = 80;
  request.cuda_version_min = 12000;
  request.rtt_max_s = 0.1;
  request.pools = {"default"};
  request.selector = {{.key = "owner", .kind = LabelRule::Kind::kIn, .values = {"all"}}};
  request.profile = AppProfile::OfClass(static_cast<AppClass>((bits >> 16U) % 3));
  return request;
}

struct Times {
  std::vector<double> us;

  void Print(const char* what, uint32_t refused) {
    std::sort(us.begin(), us.end());
    double sum = 0;
    for (const double one : us) {
      sum += one;
    }
    const size_t count = us.size();
    printf("%-24s p50 %8.1f us  p99 %8.1f us  max %8.1f us  %8.0f/s  refused %u of %zu\n", what,
           us[count / 2], us[count * 99 / 100], us.back(), 1e6 * static_cast<double>(count) / sum,
           refused, count);
  }
};

void Measure(const char* what,
             ClusterView cluster,
             const PlacementPolicy& policy,
             uint32_t count,
             bool impossible) {
  const DistanceTable distances;
  Times times;
  uint32_t refused = 0;
  for (uint32_t i = 0; i < count; ++i) {
    Request request = MakeRequest(i);
    request.compute_capability_min = impossible ? 200 : 80;
    Place client;
    client.region = "r" + std::to_string(i % kZones / 4);
    client.zone = "z" + std::to_string(i % kZones);
    const double begin_us = ThreadMicroseconds();
    // What a manager does for a request: see the way, decide, promise.
    const NetworkView network(cluster, client, distances);
    const Decision decision = Decide(cluster, network, request, policy);
    if (decision.placed && !cluster.Assume(GrantOf(request.id, request, decision)).ok()) {
      abort();
    }
    NoteDemand(cluster, network, request);
    times.us.push_back(ThreadMicroseconds() - begin_us);
    refused += decision.placed ? 0 : 1;
  }
  times.Print(what, refused);
}

int Main(int argc, char** argv) {
  const auto servers = static_cast<uint32_t>(argc > 1 ? atoi(argv[1]) : 10'000);
  const auto decisions = static_cast<uint32_t>(argc > 2 ? atoi(argv[2]) : 20'000);
  const ClusterView cluster = MakeCluster(servers);
  printf("%u servers, %zu devices; view, decision, promise and demand together\n", servers,
         cluster.devices().size());
  PlacementPolicy full;
  full.full_scan_devices_max = SIZE_MAX;
  Measure("as it is set", cluster, {}, decisions, false);
  Measure("every server looked at", cluster, full, std::min(decisions, 2000u), false);
  Measure("nobody can", cluster, {}, std::min(decisions, 500u), true);
  return 0;
}

}  // namespace
}  // namespace farlane::pool

int main(int argc, char** argv) {
  return farlane::pool::Main(argc, argv);
}
