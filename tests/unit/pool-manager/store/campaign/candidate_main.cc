// SPDX-License-Identifier: Apache-2.0
// A manager that only campaigns and, while it leads, writes: for tests that kill it or stop it. It
// tells what happens in lines: "leads EPOCH", "ends", "wrote", "refused".
//
//   pool_store_candidate ENDPOINT,… KEY ID careful|fenced|reckless
//
// careful: as a manager does, by its clock and with the fence. fenced: as if its clock stood still,
// the fence is all there is. reckless: with neither, to show what they are for.
#include <cstdio>
#include <sstream>
#include <thread>

#include "pool-manager/store/etcd_store.h"
#include "pool-manager/store/leadership.h"

namespace farlane::pool {
namespace {

enum class Manner : uint8_t { kCareful, kFenced, kReckless };

void Tell(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream stream(list);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

[[noreturn]] void Write(StateStore& store,
                        Leadership& leadership,
                        const std::string& key,
                        const std::string& id,
                        Manner manner) {
  int64_t epoch = 0;
  while (true) {
    epoch = leadership.Epoch().value_or(epoch);
    Transaction transaction = {.compares = {}, .operations = {Operation::Put(key + ".by", id)}};
    if (epoch == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    if (manner == Manner::kFenced) {
      transaction.compares.push_back(Compare::CreatedAt(key, epoch));
    }
    const Result<TxnResult> result = manner == Manner::kCareful
                                         ? leadership.Txn(std::move(transaction))
                                         : store.Txn(std::move(transaction));
    Tell(result.ok() && result->committed ? "wrote" : "refused");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int Run(const std::string& endpoints,
        const std::string& key,
        const std::string& id,
        const std::string& manner) {
  EtcdStore::Options options;
  options.endpoints = Split(endpoints);
  Result<std::unique_ptr<EtcdStore>> store = EtcdStore::Open(options);
  if (!store.ok()) {
    Tell(store.error().message());
    return 1;
  }
  Leadership::Options campaign;
  campaign.key = key;
  campaign.id = id;
  campaign.on_change = [](std::optional<int64_t> epoch) {
    Tell(epoch ? "leads " + std::to_string(*epoch) : "ends");
  };
  Leadership leadership(**store, campaign);
  Write(**store, leadership, key, id,
        manner == "careful"  ? Manner::kCareful
        : manner == "fenced" ? Manner::kFenced
                             : Manner::kReckless);
}

}  // namespace
}  // namespace farlane::pool

int main(int argc, char** argv) {
  return argc == 5 ? farlane::pool::Run(argv[1], argv[2], argv[3], argv[4]) : 2;
}
