// SPDX-License-Identifier: Apache-2.0
// What it costs a pool to hear its servers: 1000 of them with 10 sessions each, each of which
// reports once a second, while the pool is looked through twice a second.
#include <cstdio>

#include "pool-manager/core/pool.h"
#include "protocol/base/check.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

constexpr int kServers = 1000;
constexpr int kSessionsOfEach = 10;
constexpr int kRounds = 5;

std::string IdOf(int server) {
  char id[33];
  snprintf(id, sizeof id, "%032x", static_cast<unsigned>(server));
  return id;
}

v1::Inventory InventoryOf(int server) {
  v1::Inventory inventory;
  inventory.set_server_id(IdOf(server));
  inventory.set_name("server" + std::to_string(server));
  inventory.add_addresses("tcp://10.0.0.1:7450");
  for (int i = 0; i < 8; ++i) {
    v1::Device* const device = inventory.add_devices();
    device->set_uuid("GPU-" + std::to_string(server) + "-" + std::to_string(i));
    device->set_model("H100");
    device->set_memory_bytes(80ull << 30);
    device->set_compute_major(9);
  }
  return inventory;
}

void Fill(Pool& pool, const Pool::Now& now, std::vector<v1::Load>* loads) {
  v1::CreateSessionRequest request;
  request.mutable_spec()->mutable_slice()->set_share(0.1);
  request.set_key_digest(std::string(64, 'a'));
  for (int i = 0; i < kServers * kSessionsOfEach; ++i) {
    Pool::Grant grant;
    FARLANE_CHECK(!pool.Draft(request, 1, now, &grant).has_value());
    const int server = static_cast<int>(std::stoul(grant.session.server_id(), nullptr, 16));
    v1::SessionLoad* const said = (*loads)[static_cast<size_t>(server)].add_sessions();
    said->set_session_id(grant.session.id());
    said->set_gpu_ns(1);
  }
}

int Measure() {
  Pool pool;
  Pool::Now now{.ns = NowNs(), .ms = 1'000'000'000};
  std::vector<v1::Load> loads(kServers);
  for (int i = 0; i < kServers; ++i) {
    FARLANE_CHECK(pool.Attach(InventoryOf(i), static_cast<uint64_t>(i) + 1, now).empty());
    for (int device = 0; device < 8; ++device) {
      loads[static_cast<size_t>(i)].add_devices()->set_busy_percent(50);
    }
  }
  std::vector<v1::Session> changed;
  std::vector<Order> orders;
  for (int i = 0; i < kServers; ++i) {
    pool.Hear(IdOf(i), static_cast<uint64_t>(i) + 1, loads[static_cast<size_t>(i)], now, &changed);
  }
  Fill(pool, now, &loads);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t began_ns = NowNs();
    for (int i = 0; i < kServers; ++i) {
      const auto& load = loads[static_cast<size_t>(i)];
      pool.Hear(IdOf(i), static_cast<uint64_t>(i) + 1, load, now, &changed);
    }
    const uint64_t heard_ns = NowNs();
    pool.Look(now, &changed, &orders);
    const uint64_t looked_ns = NowNs();
    printf("a report %.1f us, a look %.2f ms: %.1f %% of a core\n",
           static_cast<double>(heard_ns - began_ns) / 1e3 / kServers,
           static_cast<double>(looked_ns - heard_ns) / 1e6,
           static_cast<double>(heard_ns - began_ns + 2 * (looked_ns - heard_ns)) / 1e7);
  }
  return 0;
}

}  // namespace
}  // namespace farlane::pool

int main() {
  return farlane::pool::Measure();
}
