// SPDX-License-Identifier: Apache-2.0
// A store that passes everything on to another one. A test derives from it and overrides what it
// wants to fail or to see.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pool-manager/store/state_store.h"

namespace farlane::pool {

class PassingStore : public StateStore {
 public:
  // `store` is not owned.
  explicit PassingStore(StateStore& store) : store_(store) {}

  void Submit(Transaction transaction, Done done) override {
    store_.Submit(std::move(transaction), std::move(done));
  }

  Result<std::optional<KeyValue>> Get(const std::string& key) override { return store_.Get(key); }

  Result<Page> Range(const RangeRequest& request) override { return store_.Range(request); }

  Result<std::unique_ptr<Watch>> StartWatch(const std::string& prefix, int64_t from) override {
    return store_.StartWatch(prefix, from);
  }

  Result<Lease> GrantLease(int64_t ttl_s) override { return store_.GrantLease(ttl_s); }

  Result<int64_t> KeepAlive(int64_t lease) override { return store_.KeepAlive(lease); }

  Status RevokeLease(int64_t lease) override { return store_.RevokeLease(lease); }

  Status Compact(int64_t revision) override { return store_.Compact(revision); }

 private:
  StateStore& store_;
};

}  // namespace farlane::pool
