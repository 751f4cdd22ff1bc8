// SPDX-License-Identifier: Apache-2.0
// How many sessions a second a pool grants, each of them stored before anybody is told: requests by
// 1, 64 and 256 threads at a time, through placement, signature and store as in the manager. The
// store is a folder (SQLite, synchronous FULL), or etcd with three members on this machine. Beside
// them, in the same run, what the disk does at all: a write of such a record and fdatasync.
//
//   pool_grant_bench [seconds [folder]]
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "pool-manager/daemon/led_session_store.h"
#include "pool-manager/daemon/pool_host.h"
#include "pool-manager/store/sqlite_store.h"
#include "protocol/base/check.h"
#include "protocol/base/clock.h"
#include "tests/support/silent_line.h"
#include "tests/unit/pool-manager/store/etcd/etcd_cluster.h"

namespace farlane::pool {
namespace {

constexpr size_t kRecordBytes = 300;  // as a session's is
constexpr int kServers = 500;
constexpr int kDevicesOfEach = 8;
constexpr int kRounds = 3;
constexpr uint64_t kTermNs = 20'000'000'000;

struct Rate {
  double each_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  int failures = 0;
};

// `act` is done by so many threads for so long.
Rate Measure(int threads, double seconds, const std::function<bool()>& act) {
  std::atomic<bool> over = false;
  std::atomic<int> failures = 0;
  std::vector<std::vector<uint64_t>> took(static_cast<size_t>(threads));
  std::vector<std::thread> callers;
  const uint64_t begun_ns = NowNs();
  for (std::vector<uint64_t>& own : took) {
    callers.emplace_back([&] {
      while (!over) {
        const uint64_t before_ns = NowNs();
        failures += act() ? 0 : 1;
        own.push_back(NowNs() - before_ns);
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  over = true;
  for (std::thread& caller : callers) {
    caller.join();
  }
  const double passed = static_cast<double>(NowNs() - begun_ns) / 1e9;
  std::vector<uint64_t> all;
  for (const std::vector<uint64_t>& some : took) {
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  const auto at = [&all](double part) {
    const auto index = static_cast<size_t>(part * static_cast<double>(all.size() - 1));
    return static_cast<double>(all[index]) / 1e6;
  };
  return {.each_second = static_cast<double>(all.size() - static_cast<size_t>(failures)) / passed,
          .p50_ms = at(0.5),
          .p99_ms = at(0.99),
          .failures = failures};
}

void Print(const char* what, int callers, const Rate& rate) {
  printf("%-22s %3d callers  %9.0f /s   p50 %7.2f ms   p99 %7.2f ms", what, callers,
         rate.each_second, rate.p50_ms, rate.p99_ms);
  printf(rate.failures == 0 ? "\n" : "   %d FAILED\n", rate.failures);
  fflush(stdout);
}

Rate MeasureDisk(const std::string& path, double seconds) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const std::string record(kRecordBytes, 'v');
  return Measure(1, seconds, [&] {
    return write(file.get(), record.data(), record.size()) == static_cast<ssize_t>(record.size()) &&
           fdatasync(file.get()) == 0;
  });
}

// A manager without its network: it leads, has servers, and grants.
class Manager {
 public:
  Manager(StateStore& store, const char* kind, bool sole)
      : keys_(token::SigningKey::Make().value()) {
    Leadership::Options options;
    options.id = "bench";
    options.sole = sole;
    leadership_ = std::make_unique<Leadership>(store, options);
    const uint64_t until_ns = NowNs() + kTermNs;
    while (!leadership_->Epoch() && NowNs() < until_ns) {
      usleep(10'000);
    }
    FARLANE_CHECK(leadership_->Epoch().has_value());
    store_ = new LedSessionStore(store, leadership_, kind, *leadership_->Epoch());
    host_ = PoolHost::Open({}, std::unique_ptr<SessionStore>(store_), keys_).value();
    for (int i = 0; i < kServers; ++i) {
      Attach(i);
    }
  }

  bool Grant() {
    v1::CreateSessionRequest request;
    request.mutable_spec()->mutable_slice()->set_share(0.001);
    request.mutable_spec()->set_program("bench");
    request.set_key_digest(std::string(64, 'a'));
    request.set_idempotency_key("bench-" + std::to_string(next_++));
    v1::CreateSessionResponse response;
    return !host_->Create(request, "bench", &response).has_value() && !response.token().empty();
  }

  // Of what was told, all is there.
  bool IsAllStored() {
    const Result<std::vector<v1::Session>> stored = store_->Load();
    return stored.ok() && stored->size() == host_->Sessions().size();
  }

 private:
  void Attach(int number) {
    char id[33];
    snprintf(id, sizeof id, "%032x", static_cast<unsigned>(number) + 1);
    v1::Inventory inventory;
    inventory.set_server_id(id);
    inventory.set_name("server" + std::to_string(number));
    inventory.add_addresses("tcp://10.0.0.1:7450");
    for (int i = 0; i < kDevicesOfEach; ++i) {
      v1::Device* const device = inventory.add_devices();
      device->set_uuid("GPU-" + std::to_string(number) + "-" + std::to_string(i));
      device->set_model("H100");
      device->set_memory_bytes(80ull << 30);
      device->set_compute_major(9);
    }
    FARLANE_CHECK(host_->Attach(inventory, static_cast<uint64_t>(number) + 1, &line_).empty());
    host_->Hear(id, static_cast<uint64_t>(number) + 1, {});
  }

  SigningKeys keys_;
  SilentLine line_;
  std::unique_ptr<Leadership> leadership_;
  LedSessionStore* store_ = nullptr;  // the host's
  std::shared_ptr<PoolHost> host_;
  std::atomic<uint64_t> next_{0};
};

int Run(double seconds, const std::string& folder) {
  SqliteStore::Options options;
  options.path = folder + "/bench.store";
  Result<std::unique_ptr<SqliteStore>> sqlite = SqliteStore::Open(options);
  if (!sqlite.ok()) {
    printf("%s\n", sqlite.error().message().c_str());
    return 1;
  }
  std::unique_ptr<EtcdCluster> cluster;
  std::unique_ptr<EtcdStore> etcd;
  std::unique_ptr<Manager> by_etcd;
  if (EtcdCluster::Available()) {
    cluster = std::make_unique<EtcdCluster>(3);
    etcd = cluster->Open();
    by_etcd = std::make_unique<Manager>(*etcd, "etcd", false);
  }
  auto by_sqlite = std::make_unique<Manager>(**sqlite, "sqlite", true);
  for (int round = 0; round < kRounds; ++round) {
    Print("write and fdatasync", 1, MeasureDisk(folder + "/bench.floor", seconds));
    for (const int callers : {1, 64, 256}) {
      Print("SQLite, FULL", callers, Measure(callers, seconds, [&] { return by_sqlite->Grant(); }));
      if (by_etcd) {
        Print("etcd, three members", callers,
              Measure(callers, seconds, [&] { return by_etcd->Grant(); }));
      }
    }
  }
  const bool all = by_sqlite->IsAllStored() && (!by_etcd || by_etcd->IsAllStored());
  printf("%s\n", all ? "each session that was granted is stored" : "SESSIONS ARE NOT STORED");
  by_sqlite.reset();
  by_etcd.reset();
  (*sqlite).reset();
  for (const char* name :
       {"bench.store", "bench.store-wal", "bench.store-shm", "bench.store.lock", "bench.floor"}) {
    unlink((folder + "/" + name).c_str());
  }
  return all ? 0 : 1;
}

}  // namespace
}  // namespace farlane::pool

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  return farlane::pool::Run(seconds, argc > 2 ? argv[2] : ".");
}
