// SPDX-License-Identifier: Apache-2.0
// RecordStore is what a leader keeps beside its sessions: keys with values, for as long as it
// leads.
#pragma once

#include <string>
#include <vector>

#include "pool-manager/store/state_store.h"
#include "protocol/base/result.h"

namespace farlane::pool {

// Thread: any, guarded.
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  virtual Result<std::vector<KeyValue>> List(const std::string& prefix) = 0;
  // When this returns, it is there whatever becomes of the machine; all of it or nothing.
  virtual Status Commit(std::vector<Operation> operations) = 0;
  // Of the leader.
  virtual uint64_t epoch() const = 0;
};

}  // namespace farlane::pool
