// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/leadership.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "pool-manager/store/compactor.h"
#include "protocol/base/clock.h"
#include "tests/unit/pool-manager/store/passing_store.h"
#include "tests/unit/pool-manager/store/store_maker.h"

namespace farlane::pool {
namespace {

using std::chrono::milliseconds;

// A store whose leases nobody answers for, or that makes a transaction and loses the answer.
class FlakyStore : public PassingStore {
 public:
  using PassingStore::PassingStore;

  std::atomic<bool> leases_unheard = false;
  // Of the next transaction.
  std::atomic<bool> answer_lost = false;

  void Submit(Transaction transaction, Done done) override {
    if (answer_lost.exchange(false)) {
      done = [done = std::move(done)](const Result<TxnResult>&) {
        done(Status(store_error::kUnknown, "the answer was lost"));
      };
    }
    PassingStore::Submit(std::move(transaction), std::move(done));
  }

  // Else who has lost its lease might lead again with another one, before anybody else does.
  Result<Lease> GrantLease(int64_t ttl_s) override {
    return leases_unheard ? Status(store_error::kUnknown, "nobody answers")
                          : PassingStore::GrantLease(ttl_s);
  }

  Result<int64_t> KeepAlive(int64_t lease) override {
    return leases_unheard ? Status(store_error::kUnknown, "nobody answers")
                          : PassingStore::KeepAlive(lease);
  }

  Status RevokeLease(int64_t lease) override {
    return leases_unheard ? Status(store_error::kUnknown, "nobody answers")
                          : PassingStore::RevokeLease(lease);
  }
};

class LeadershipTest : public testing::TestWithParam<StoreKind> {
 protected:
  LeadershipTest() : maker_(GetParam().make()), store_(maker_->Open()), flaky_(*store_) {
    static std::atomic<int> tests = 0;
    key_ = "leadership" + std::to_string(tests++) + "/leader";
  }

  std::unique_ptr<Leadership> Campaign(const std::string& id, StateStore& store) {
    Leadership::Options options;
    options.key = key_;
    options.id = id;
    options.ttl_s = 3;
    return std::make_unique<Leadership>(store, options);
  }

  std::unique_ptr<Leadership> Campaign(const std::string& id) { return Campaign(id, *store_); }

  static bool Within(uint64_t ms, const std::function<bool()>& happens) {
    const uint64_t end = NowNs() + ms * 1'000'000;
    while (!happens() && NowNs() < end) {
      std::this_thread::sleep_for(milliseconds(5));
    }
    return happens();
  }

  static bool ComesToLead(const Leadership& leadership, uint64_t ms = 20'000) {
    return Within(ms, [&] { return leadership.Epoch().has_value(); });
  }

  Transaction PutMark(const std::string& value) const {
    return {.compares = {}, .operations = {Operation::Put(key_ + ".mark", value)}};
  }

  std::string Mark() {
    const Result<std::optional<KeyValue>> found = store_->Get(key_ + ".mark");
    return found.ok() && *found ? (*found)->value : "(absent)";
  }

  std::unique_ptr<StoreMaker> maker_;
  std::unique_ptr<StateStore> store_;
  FlakyStore flaky_;
  std::string key_;
};

TEST_P(LeadershipTest, LetsOneOfTwoLeadAndSaysWho) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  const auto b = Campaign("b");
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_FALSE(b->Epoch());
  const Result<std::optional<KeyValue>> leader = b->Leader();
  ASSERT_TRUE(leader.ok() && leader->has_value());
  EXPECT_EQ((*leader)->value, "a");
  EXPECT_EQ((*leader)->mod_revision, *a->Epoch());
  EXPECT_EQ(b->Txn(PutMark("b")).error().code(), store_error::kFenced);
  ASSERT_TRUE(a->Txn(PutMark("a")).ok());
  EXPECT_EQ(Mark(), "a");
}

TEST_P(LeadershipTest, HandsOverAtOnceAndWithAHigherEpoch) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  const int64_t first = *a->Epoch();
  const auto b = Campaign("b");
  std::this_thread::sleep_for(milliseconds(300));
  const uint64_t begun = NowNs();
  a->StepDown();
  ASSERT_TRUE(ComesToLead(*b));
  EXPECT_LT((NowNs() - begun) / 1'000'000, 1500u) << "sooner than any lease could end";
  EXPECT_GT(*b->Epoch(), first);
  EXPECT_FALSE(a->Epoch());
}

TEST_P(LeadershipTest, YieldsToAnotherAndCampaignsAgain) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  const auto b = Campaign("b");
  std::this_thread::sleep_for(milliseconds(300));
  a->Yield();
  ASSERT_TRUE(ComesToLead(*b, 3'000));
  EXPECT_FALSE(a->Epoch());
  std::this_thread::sleep_for(milliseconds(300));  // until it has seen that another leads
  b->Yield();
  ASSERT_TRUE(ComesToLead(*a, 3'000)) << "it has not stopped to campaign";
}

TEST_P(LeadershipTest, WhoYieldsToNobodyLeadsAgain) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  const int64_t first = *a->Epoch();
  const uint64_t begun = NowNs();
  a->Yield();
  ASSERT_TRUE(Within(20'000, [&] { return a->Epoch().value_or(first) > first; }));
  EXPECT_GT((NowNs() - begun) / 1'000'000, 1000u) << "others had time";
}

TEST_P(LeadershipTest, WhatIsOlderThanTwoTurnsIsForgotten) {
  const auto put = [&](const char* value) {
    return store_->Txn({.compares = {}, .operations = {Operation::Put(key_, value)}})->revision;
  };
  constexpr uint64_t kTurnNs = 1'000;
  Compactor compactor(*store_, kTurnNs);
  const int64_t first = put("1");
  compactor.Look(10'000);
  const int64_t second = put("2");
  compactor.Look(10'999);
  EXPECT_EQ(compactor.compacted(), 0) << "its turn has not come";
  compactor.Look(11'000);
  EXPECT_GE(compactor.compacted(), first);
  EXPECT_LT(compactor.compacted(), second);
  const auto watch = store_->StartWatch(key_, second);
  ASSERT_TRUE(watch.ok());
  const Result<WatchBatch> kept = (*watch)->Next(10'000);
  ASSERT_TRUE(kept.ok()) << "the last turn's changes are there";
  EXPECT_EQ(kept->events.size(), 1u);
  put("3");
  compactor.Look(12'000);
  EXPECT_GE(compactor.compacted(), second);
  const auto late = store_->StartWatch(key_, first);
  const Result<WatchBatch> gone =
      late.ok() ? (*late)->Next(10'000) : Result<WatchBatch>(late.error());
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code(), store_error::kCompacted);
}

TEST_P(LeadershipTest, KeepsLeadingForLongerThanALease) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  const int64_t epoch = *a->Epoch();
  for (int i = 0; i < 80; ++i) {
    std::this_thread::sleep_for(milliseconds(50));
    ASSERT_EQ(a->Epoch(), epoch);
  }
}

TEST_P(LeadershipTest, StopsByItsOwnClockBeforeAnotherCanLead) {
  const auto a = Campaign("a", flaky_);
  ASSERT_TRUE(ComesToLead(*a));
  const auto b = Campaign("b");
  flaky_.leases_unheard = true;
  // At no moment both; and since the store does not hear of a's end, it takes the lease's to let b.
  bool a_stopped = false;
  EXPECT_TRUE(Within(20'000, [&] {
    const bool b_leads = b->Epoch().has_value();
    const bool a_leads = a->Epoch().has_value();
    EXPECT_FALSE(a_leads && b_leads);
    a_stopped = a_stopped || (!a_leads && !b_leads);
    return b_leads;
  }));
  EXPECT_TRUE(a_stopped);
  EXPECT_EQ(a->Txn(PutMark("a")).error().code(), store_error::kFenced);
}

TEST_P(LeadershipTest, FencesAChangeThatComesAfterItsEpoch) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  // Somebody takes the key away, and a does not know it.
  ASSERT_TRUE(store_->Txn({.compares = {}, .operations = {Operation::Delete(key_)}}).ok());
  const Result<TxnResult> result = a->Txn(PutMark("a"));
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), store_error::kFenced) << result.error().message();
  EXPECT_EQ(Mark(), "(absent)");
  EXPECT_FALSE(a->Epoch()) << "it knows now";
}

TEST_P(LeadershipTest, TellsAConditionOfTheCallerFromTheFence) {
  const auto a = Campaign("a");
  ASSERT_TRUE(ComesToLead(*a));
  Transaction transaction = PutMark("a");
  transaction.compares.push_back(Compare::Present(key_ + ".none"));
  const Result<TxnResult> result = a->Txn(transaction);
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_FALSE(result->committed);
  EXPECT_TRUE(a->Epoch());
}

TEST_P(LeadershipTest, LeadsWhenTheAnswerToItsCampaignWasLost) {
  flaky_.answer_lost = true;
  const auto a = Campaign("a", flaky_);
  ASSERT_TRUE(ComesToLead(*a));
  EXPECT_EQ((*a->Leader())->mod_revision, *a->Epoch());
  EXPECT_TRUE(a->Txn(PutMark("a")).ok());
}

TEST_P(LeadershipTest, TakesAStaleLeadersPlaceAtOnceWhenItIsSole) {
  const Result<Lease> lease = store_->GrantLease(60);
  ASSERT_TRUE(lease.ok());
  const Result<TxnResult> stale = store_->Txn(
      {.compares = {}, .operations = {Operation::Put(key_, "of an earlier process", lease->id)}});
  ASSERT_TRUE(stale.ok());
  Leadership::Options options;
  options.key = key_;
  options.id = "a";
  options.sole = true;
  std::atomic<int64_t> told = 0;
  options.on_change = [&told](std::optional<int64_t> epoch) { told = epoch.value_or(-1); };
  Leadership a(*store_, options);
  ASSERT_TRUE(ComesToLead(a, 5000));
  EXPECT_GT(*a.Epoch(), stale->revision);
  EXPECT_TRUE(Within(5000, [&] { return told == *a.Epoch(); }));
  a.StepDown();
  EXPECT_EQ(told, -1);
}

INSTANTIATE_TEST_SUITE_P(Stores,
                         LeadershipTest,
                         testing::ValuesIn(StoresToTest()),
                         [](const testing::TestParamInfo<StoreKind>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace farlane::pool
