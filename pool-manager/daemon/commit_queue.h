// SPDX-License-Identifier: Apache-2.0
// CommitQueue stores what many threads want stored, together: who comes while a transaction is
// under way goes with the next one, so that a hundred at a time cost the store hardly more than
// one. Each is told only when his own change is stored, or why it is not.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pool-manager/store/state_store.h"

namespace farlane::pool {

// A mutex of its own, not Guarded: threads wait for the condition.
// Thread: any.
class CommitQueue {
 public:
  struct Settings {
    size_t operations_max = kOperationsMax;
    size_t bytes_max = kTransactionBytesMax / 2;  // what is beside keys and values must fit as well
    size_t under_way_max = 2;  // the next one is made up while the store syncs the last
  };

  // Commits one transaction and waits; called by the threads that are in Put.
  using Commit = std::function<farlane::Status(std::vector<Operation> operations)>;

  explicit CommitQueue(Commit commit) : CommitQueue(std::move(commit), {}) {}

  CommitQueue(Commit commit, Settings settings) : commit_(std::move(commit)), settings_(settings) {}

  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // All of them in one transaction, or none. No key twice; changes of one key are made in the order
  // in which they came.
  farlane::Status Put(std::vector<Operation> operations);

 private:
  struct Entry {
    std::vector<Operation> operations;
    size_t bytes = 0;
    bool is_taken = false;
    std::optional<farlane::Status> result{};
    std::condition_variable turn{};
  };

  using Batch = std::vector<Entry*>;

  bool Fits(const Batch& batch, size_t operations, size_t bytes, const Entry& entry) const;
  Batch TakeBatch();
  void Settle(const Batch& batch, const farlane::Status& status);
  void CommitBatch(const Batch& batch, std::unique_lock<std::mutex>* lock);

  const Commit commit_;
  const Settings settings_;
  std::mutex mutex_;
  std::deque<Entry*> waiting_;        // the callers', while they are in Put
  std::set<std::string> keys_taken_;  // of what is under way
  size_t under_way_ = 0;
};

}  // namespace farlane::pool
