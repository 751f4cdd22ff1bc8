// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/led_record_store.h"

namespace farlane::pool {

Result<std::vector<KeyValue>> LedRecordStore::List(const std::string& prefix) {
  FARLANE_ASSIGN(Page page, store_.List(prefix));
  return std::move(page.items);
}

Status LedRecordStore::Commit(std::vector<Operation> operations) {
  if (leadership_->Epoch() != epoch_) {
    return Status(store_error::kFenced, "this manager does not lead the pool any more");
  }
  FARLANE_ASSIGN(const TxnResult result,
                 leadership_->Txn({.compares = {}, .operations = std::move(operations)}));
  return result.committed ? Status::Ok()
                          : Status(store_error::kFenced, "another manager leads the pool now");
}

}  // namespace farlane::pool
