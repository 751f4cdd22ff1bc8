// SPDX-License-Identifier: Apache-2.0
// How many durable transactions a second the pool's stores take from 1, 16 and 64 callers that each
// wait for their answer: the SQLite store in a folder, and etcd with three members on this machine.
// Beside them, in turns within the same run, what the disk can do at all: one write of such a
// record and fdatasync, again and again.
//
//   pool_store_bench [seconds [folder]]
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

#include "pool-manager/store/sqlite_store.h"
#include "protocol/base/clock.h"
#include "tests/unit/pool-manager/store/etcd/etcd_cluster.h"

namespace farlane::pool {
namespace {

constexpr size_t kRecordBytes = 300;  // as a session's is
constexpr int kRounds = 3;

struct Rate {
  double each_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

// `act` is done by so many threads for so long.
Rate Measure(int threads, double seconds, const std::function<bool(int, int)>& act) {
  std::atomic<bool> over = false;
  std::atomic<int> failures = 0;
  std::vector<std::vector<uint64_t>> took(static_cast<size_t>(threads));
  std::vector<std::thread> callers;
  const uint64_t begun = NowNs();
  for (int i = 0; i < threads; ++i) {
    callers.emplace_back([&, i] {
      for (int j = 0; !over; ++j) {
        const uint64_t before = NowNs();
        failures += act(i, j) ? 0 : 1;
        took[static_cast<size_t>(i)].push_back(NowNs() - before);
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  over = true;
  for (std::thread& caller : callers) {
    caller.join();
  }
  const double passed = static_cast<double>(NowNs() - begun) / 1e9;
  std::vector<uint64_t> all;
  for (const std::vector<uint64_t>& some : took) {
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end());
  if (failures > 0) {
    std::printf("%d calls failed; the figures mean nothing\n", failures.load());
  }
  const auto at = [&all](double part) {
    return static_cast<double>(
               all[static_cast<size_t>(part * static_cast<double>(all.size() - 1))]) /
           1e6;
  };
  return {.each_second = static_cast<double>(all.size()) / passed,
          .p50_ms = at(0.5),
          .p99_ms = at(0.99)};
}

void Print(const char* what, int callers, const Rate& rate) {
  std::printf("%-22s %3d callers  %9.0f /s   p50 %7.2f ms   p99 %7.2f ms\n", what, callers,
              rate.each_second, rate.p50_ms, rate.p99_ms);
  std::fflush(stdout);
}

bool Put(StateStore& store, int caller, int number) {
  const std::string key = "s/" + std::to_string(caller) + "/" + std::to_string(number % 1000);
  return store
      .Txn({.compares = {Compare::Absent("none")},
            .operations = {Operation::Put(key, std::string(kRecordBytes, 'v'))}})
      .ok();
}

Rate MeasureDisk(const std::string& path, double seconds) {
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  const std::string record(kRecordBytes, 'v');
  return Measure(1, seconds, [&](int, int) {
    return write(file.get(), record.data(), record.size()) == static_cast<ssize_t>(record.size()) &&
           fdatasync(file.get()) == 0;
  });
}

int Run(double seconds, const std::string& folder) {
  SqliteStore::Options options;
  options.path = folder + "/bench.store";
  Result<std::unique_ptr<SqliteStore>> sqlite = SqliteStore::Open(options);
  if (!sqlite.ok()) {
    std::printf("%s\n", sqlite.error().message().c_str());
    return 1;
  }
  std::unique_ptr<EtcdCluster> cluster;
  std::unique_ptr<EtcdStore> etcd;
  if (EtcdCluster::Available()) {
    cluster = std::make_unique<EtcdCluster>(3);
    etcd = cluster->Open();
  }
  for (int round = 0; round < kRounds; ++round) {
    Print("write and fdatasync", 1, MeasureDisk(folder + "/bench.floor", seconds));
    for (const int callers : {1, 16, 64}) {
      Print("SQLite, FULL", callers, Measure(callers, seconds, [&](int caller, int number) {
              return Put(**sqlite, caller, number);
            }));
      if (etcd) {
        Print("etcd, three members", callers,
              Measure(callers, seconds,
                      [&](int caller, int number) { return Put(*etcd, caller, number); }));
      }
    }
  }
  (*sqlite).reset();
  for (const char* name :
       {"bench.store", "bench.store-wal", "bench.store-shm", "bench.store.lock", "bench.floor"}) {
    unlink((folder + "/" + name).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace farlane::pool

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  return farlane::pool::Run(seconds, argc > 2 ? argv[2] : ".");
}
