// SPDX-License-Identifier: Apache-2.0
// A RecordStore of a test's own, that fails when the test says so.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pool-manager/trust/record_store.h"

namespace farlane::pool {

// Thread: the test's.
class MemoryRecords : public RecordStore {
 public:
  Result<std::vector<KeyValue>> List(const std::string& prefix) override {
    std::vector<KeyValue> items;
    for (const auto& [key, value] : items_) {
      if (key.starts_with(prefix)) {
        items.push_back({.key = key, .value = value});
      }
    }
    return items;
  }

  Status Commit(std::vector<Operation> operations) override {
    if (on_commit) {
      std::exchange(on_commit, nullptr)();
    }
    if (fails) {
      return Status(StatusCode::kUnavailable, "the store fails");
    }
    for (const Operation& operation : operations) {
      if (operation.kind == Operation::Kind::kPut) {
        items_[operation.key] = operation.value;
      } else {
        items_.erase(operation.key);
      }
    }
    return Status::Ok();
  }

  uint64_t epoch() const override { return epoch_now; }

  bool Contains(const std::string& text) const {
    for (const auto& [key, value] : items_) {
      if (value.find(text) != std::string::npos || key.find(text) != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  bool fails = false;
  std::function<void()> on_commit;  // once, before what is to be stored is
  uint64_t epoch_now = 1;

 private:
  std::map<std::string, std::string> items_;
};

}  // namespace farlane::pool
