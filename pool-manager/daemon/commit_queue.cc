// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/commit_queue.h"

#include <algorithm>
#include <utility>

namespace farlane::pool {
namespace {

// Whether one that was refused says anything of the others that went with it.
bool ConcernsAll(const farlane::Status& status) {
  return status.ok() || status.code() == store_error::kRetry ||
         status.code() == store_error::kUnknown || status.code() == store_error::kFenced ||
         status.code() == store_error::kNoSpace;
}

}  // namespace

bool CommitQueue::Fits(const Batch& batch,
                       size_t operations,
                       size_t bytes,
                       const Entry& entry) const {
  const bool is_first = batch.empty();
  const bool has_room = operations + entry.operations.size() <= settings_.operations_max &&
                        bytes + entry.bytes <= settings_.bytes_max;
  return is_first || has_room;
}

// The oldest, as many as go together. A key that is under way, or twice, ends it: what comes later
// must not be overtaken.
CommitQueue::Batch CommitQueue::TakeBatch() {
  Batch batch;
  size_t operations = 0;
  size_t bytes = 0;
  while (!waiting_.empty()) {
    Entry* const entry = waiting_.front();
    const bool is_free = std::none_of(
        entry->operations.begin(), entry->operations.end(),
        [this](const Operation& operation) { return keys_taken_.contains(operation.key); });
    if (!is_free || !Fits(batch, operations, bytes, *entry)) {
      break;
    }
    for (const Operation& operation : entry->operations) {
      keys_taken_.insert(operation.key);
    }
    operations += entry->operations.size();
    bytes += entry->bytes;
    entry->is_taken = true;
    batch.push_back(entry);
    waiting_.pop_front();
  }
  return batch;
}

void CommitQueue::Settle(const Batch& batch, const farlane::Status& status) {
  for (Entry* const entry : batch) {
    for (const Operation& operation : entry->operations) {
      keys_taken_.erase(operation.key);
    }
    entry->result = status;
    entry->turn.notify_one();
  }
}

void CommitQueue::CommitBatch(const Batch& batch, std::unique_lock<std::mutex>* lock) {
  std::vector<Operation> operations;
  for (const Entry* const entry : batch) {
    operations.insert(operations.end(), entry->operations.begin(), entry->operations.end());
  }
  lock->unlock();
  const farlane::Status status = commit_(std::move(operations));
  if (batch.size() == 1 || ConcernsAll(status)) {
    lock->lock();
    Settle(batch, status);
    return;
  }
  // One of them cannot be stored: the others are not to suffer from it.
  for (Entry* const entry : batch) {
    const farlane::Status own = commit_(entry->operations);
    lock->lock();
    Settle({entry}, own);
    lock->unlock();
  }
  lock->lock();
}

farlane::Status CommitQueue::Put(std::vector<Operation> operations) {
  Entry own{.operations = std::move(operations)};
  for (const Operation& operation : own.operations) {
    own.bytes += operation.key.size() + operation.value.size();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  waiting_.push_back(&own);
  while (!own.result.has_value()) {
    if (own.is_taken || under_way_ >= settings_.under_way_max) {
      own.turn.wait(lock);
      continue;
    }
    const Batch batch = TakeBatch();
    if (batch.empty()) {
      own.turn.wait(lock);  // a key of the oldest is under way
      continue;
    }
    if (++under_way_ < settings_.under_way_max && !waiting_.empty()) {
      waiting_.front()->turn.notify_one();  // what did not fit goes beside it
    }
    CommitBatch(batch, &lock);
    --under_way_;
    if (!waiting_.empty()) {
      waiting_.front()->turn.notify_one();  // it takes the next ones along
    }
  }
  return *std::move(own.result);
}

}  // namespace farlane::pool
