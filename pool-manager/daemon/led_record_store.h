// SPDX-License-Identifier: Apache-2.0
// LedRecordStore keeps records in a StateStore for as long as this process leads the pool in one
// term; nothing of it is taken once another leads.
#pragma once

#include <memory>

#include "pool-manager/store/leadership.h"
#include "pool-manager/trust/record_store.h"

namespace farlane::pool {

// Borrows both.
// Thread: any.
class LedRecordStore : public RecordStore {
 public:
  LedRecordStore(StateStore& store, const std::unique_ptr<Leadership>& leadership, int64_t epoch)
      : store_(store), leadership_(leadership), epoch_(epoch) {}

  Result<std::vector<KeyValue>> List(const std::string& prefix) override;
  Status Commit(std::vector<Operation> operations) override;

  uint64_t epoch() const override { return static_cast<uint64_t>(epoch_); }

 private:
  StateStore& store_;
  const std::unique_ptr<Leadership>& leadership_;
  const int64_t epoch_;
};

}  // namespace farlane::pool
