// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/leadership.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

#include "protocol/base/check.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecond = 1000 * kMs;
// After a failure of the store.
constexpr uint64_t kAgainMs = 200;
// How long a thread that waits for the leader's end does not look whether it should stop.
constexpr uint64_t kLookMs = 100;

Status NotLeading(const std::string& key) {
  return {store_error::kFenced, "this manager does not lead (" + key + " is not its key)"};
}

}  // namespace

Leadership::Leadership(StateStore& store, Options options)
    : store_(store), options_(std::move(options)) {
  FARLANE_CHECK(options_.ttl_s >= kLeaseSecondsMin);
  thread_ = std::thread([this] { Loop(); });
}

Leadership::~Leadership() {
  StepDown();
}

std::optional<int64_t> Leadership::EpochOf(const State& state) {
  return state.With([](const Term& term) {
    return term.epoch != 0 && NowNs() < term.ends_ns ? std::optional<int64_t>(term.epoch)
                                                     : std::nullopt;
  });
}

void Leadership::Submit(Transaction transaction, StateStore::Done done) {
  const std::optional<int64_t> epoch = Epoch();
  if (!epoch) {
    done(NotLeading(options_.key));
    return;
  }
  const Compare fence = Compare::CreatedAt(options_.key, *epoch);
  transaction.compares.push_back(fence);
  auto judge = [&store = store_, key = options_.key, state = state_, fence,
                done = std::move(done)](Result<TxnResult> result) {
    if (!result.ok() || result->committed) {
      done(std::move(result));
      return;
    }
    // A condition did not hold: the caller's, or ours.
    store.Submit({.compares = {fence}, .operations = {}},
                 [key, state, fence, done, result](Result<TxnResult> leads) {
                   if (leads.ok() && !leads->committed) {
                     state->With([&fence](Term& term) {
                       term.ends_ns = term.epoch == fence.revision ? 0 : term.ends_ns;
                     });
                     done(NotLeading(key));
                     return;
                   }
                   done(leads.ok() ? result : leads);
                 });
  };
  store_.Submit(std::move(transaction), std::move(judge));
}

Result<TxnResult> Leadership::Txn(Transaction transaction) {
  std::promise<Result<TxnResult>> promise;
  std::future<Result<TxnResult>> future = promise.get_future();
  Submit(std::move(transaction),
         [&promise](Result<TxnResult> result) { promise.set_value(std::move(result)); });
  return future.get();
}

void Leadership::StepDown() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Leadership::Yield() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    yielding_ = Epoch().has_value();
  }
  stop_.notify_all();
}

void Leadership::Loop() {
  while (!stopping()) {
    Campaign();
    if (Epoch()) {
      Lead();
      StandBack();
    }
  }
}

void Leadership::StandBack() {
  constexpr uint64_t kOthersMs = 3'000;
  constexpr uint64_t kStepMs = 50;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!std::exchange(yielding_, false)) {
      return;
    }
  }
  for (uint64_t waited_ms = 0; waited_ms < kOthersMs && !Pause(kStepMs); waited_ms += kStepMs) {
    const Result<std::optional<KeyValue>> leader = store_.Get(options_.key);
    if (leader.ok() && leader->has_value()) {
      return;
    }
  }
}

void Leadership::Campaign() {
  Result<std::optional<KeyValue>> leader = store_.Get(options_.key);
  Status failure = leader.ok() ? Status::Ok() : leader.error();
  if (failure.ok() && leader->has_value()) {
    if (!options_.sole) {
      AwaitChangeOf(**leader);
      return;
    }
    failure = RemoveStaleLeader(**leader);
  }
  if (failure.ok()) {
    failure = TryToLead();
  }
  if (!failure.ok()) {
    LogWarn("cannot campaign for %s: %s", options_.key.c_str(), failure.message().c_str());
    Pause(kAgainMs);
  }
}

Status Leadership::RemoveStaleLeader(const KeyValue& leader) {
  const Result<TxnResult> removed =
      store_.Txn({.compares = {Compare::CreatedAt(leader.key, leader.create_revision)},
                  .operations = {Operation::Delete(leader.key)}});
  if (removed.ok() && leader.lease != 0) {
    // It would end by itself; what matters is that the key is gone.
    (void)store_.RevokeLease(leader.lease);
  }
  return ToStatus(removed);
}

void Leadership::AwaitChangeOf(const KeyValue& leader) {
  Result<std::unique_ptr<Watch>> watch = store_.StartWatch(leader.key, leader.mod_revision + 1);
  if (!watch.ok()) {
    Pause(kAgainMs);
    return;
  }
  while (!stopping()) {
    const Result<WatchBatch> batch = (*watch)->Next(kLookMs);
    if (!batch.ok()) {
      Pause(kAgainMs);
      return;
    }
    if (!batch->events.empty()) {
      return;
    }
  }
}

Status Leadership::TryToLead() {
  // The term counts from before the lease was asked for: the store cannot have begun earlier.
  const uint64_t begun = NowNs();
  FARLANE_ASSIGN(const Lease lease, store_.GrantLease(options_.ttl_s));
  granted_s_ = lease.ttl_s;
  Result<std::optional<int64_t>> epoch = TakeKey(lease.id);
  if (!epoch.ok() || !epoch->has_value()) {
    (void)store_.RevokeLease(lease.id);
    return ToStatus(epoch);
  }
  const uint64_t ends = begun + static_cast<uint64_t>(granted_s_ - kMarginSeconds) * kSecond;
  state_->With([&](Term& term) { term = {.epoch = **epoch, .lease = lease.id, .ends_ns = ends}; });
  return {};
}

Result<std::optional<int64_t>> Leadership::TakeKey(int64_t lease) {
  const Result<TxnResult> put =
      store_.Txn({.compares = {Compare::Absent(options_.key)},
                  .operations = {Operation::Put(options_.key, options_.id, lease)}});
  if (put.ok()) {
    return put->committed ? std::optional<int64_t>(put->revision) : std::nullopt;
  }
  if (put.error().code() != store_error::kUnknown) {
    return put.error();
  }
  FARLANE_ASSIGN(const std::optional<KeyValue> found, store_.Get(options_.key));
  const bool ours = found && found->lease == lease;
  return ours ? std::optional<int64_t>(found->mod_revision) : std::nullopt;
}

void Leadership::Lead() {
  const Term term = state_->With([](const Term& now) { return now; });
  LogInfo("leads as '%s' in epoch %lld", options_.id.c_str(), static_cast<long long>(term.epoch));
  if (options_.on_change) {
    options_.on_change(term.epoch);
  }
  uint64_t pause_ms = static_cast<uint64_t>(granted_s_) * 1000 / 3;
  while (!Pause(pause_ms) && Epoch() && !yielding()) {
    pause_ms = Renew(term.lease) ? static_cast<uint64_t>(granted_s_) * 1000 / 3 : kAgainMs;
  }
  End(term);
}

bool Leadership::Renew(int64_t lease) {
  const uint64_t begun = NowNs();
  const Result<int64_t> left = store_.KeepAlive(lease);
  if (left.ok()) {
    const uint64_t ends =
        begun + static_cast<uint64_t>(std::max<int64_t>(*left - kMarginSeconds, 0)) * kSecond;
    // Not for a term that was found to be over, by the clock or by the store.
    state_->With([&](Term& term) {
      const bool goes_on = NowNs() < term.ends_ns;
      term.ends_ns = goes_on ? std::max(term.ends_ns, ends) : 0;
    });
    return true;
  }
  if (left.error().code() == store_error::kLeaseGone) {
    state_->With([](Term& term) { term.ends_ns = 0; });
  }
  LogWarn("cannot renew the leader's lease: %s", left.error().message().c_str());
  return false;
}

// First stop acting, then let others. A store that let the term run out may not answer now either;
// whoever waits for this leader's end is not to wait for that.
void Leadership::End(const Term& term) {
  const bool ran_out = !Epoch().has_value();
  state_->With([](Term& now) { now = {}; });
  if (!ran_out) {
    (void)store_.RevokeLease(term.lease);
  }
  LogInfo("'%s' leads no more; epoch %lld is over", options_.id.c_str(),
          static_cast<long long>(term.epoch));
  if (options_.on_change) {
    options_.on_change(std::nullopt);
  }
  if (ran_out) {
    (void)store_.RevokeLease(term.lease);
  }
}

bool Leadership::Pause(uint64_t ms) {
  std::unique_lock<std::mutex> lock(mutex_);
  stop_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_ || yielding_; });
  return stopping_;
}

bool Leadership::yielding() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return yielding_;
}

bool Leadership::stopping() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stopping_;
}

}  // namespace farlane::pool
