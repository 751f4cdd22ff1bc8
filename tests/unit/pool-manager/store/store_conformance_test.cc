// SPDX-License-Identifier: Apache-2.0
// What every store must do, whatever is behind it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "protocol/base/clock.h"
#include "tests/unit/pool-manager/store/store_maker.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSoonMs = 10'000;
constexpr uint64_t kQuietMs = 200;

class StoreConformance : public testing::TestWithParam<StoreKind> {
 protected:
  StoreConformance() : maker_(GetParam().make()), store_(maker_->Open()) {
    // Stores that outlive a test hold the keys of others.
    static std::atomic<int> tests = 0;
    prefix_ = "t" + std::to_string(tests++) + "/";
  }

  void SetUp() override { ASSERT_NE(store_, nullptr); }

  StateStore& store() { return *store_; }

  void Reopen() {
    store_.reset();
    store_ = maker_->Open();
    ASSERT_NE(store_, nullptr);
  }

  std::string Key(const std::string& name) const { return prefix_ + name; }

  int64_t Put(const std::string& name, const std::string& value, int64_t lease = 0) {
    return Commit({.compares = {}, .operations = {Operation::Put(Key(name), value, lease)}});
  }

  int64_t Delete(const std::string& name) {
    return Commit({.compares = {}, .operations = {Operation::Delete(Key(name))}});
  }

  int64_t Commit(Transaction transaction) {
    const Result<TxnResult> result = store().Txn(std::move(transaction));
    EXPECT_TRUE(result.ok()) << result.error().message();
    EXPECT_TRUE(!result.ok() || result->committed);
    return result.ok() ? result->revision : 0;
  }

  bool Commits(Transaction transaction) {
    const Result<TxnResult> result = store().Txn(std::move(transaction));
    EXPECT_TRUE(result.ok()) << result.error().message();
    return result.ok() && result->committed;
  }

  std::optional<KeyValue> Get(const std::string& name) {
    Result<std::optional<KeyValue>> found = store().Get(Key(name));
    EXPECT_TRUE(found.ok()) << found.error().message();
    return found.ok() ? *found : std::nullopt;
  }

  std::string ValueOf(const std::string& name) {
    const std::optional<KeyValue> found = Get(name);
    return found ? found->value : "(absent)";
  }

  std::vector<std::string> NamesIn(const Page& page) const {
    std::vector<std::string> names;
    for (const KeyValue& item : page.items) {
      names.push_back(item.key.substr(prefix_.size()));
    }
    return names;
  }

  std::vector<std::string> NamesUnder(const std::string& prefix) {
    const Result<Page> page = store().List(Key(prefix));
    EXPECT_TRUE(page.ok()) << page.error().message();
    return page.ok() ? NamesIn(*page) : std::vector<std::string>();
  }

  std::unique_ptr<Watch> StartWatch(const std::string& prefix, int64_t from) {
    Result<std::unique_ptr<Watch>> watch = store().StartWatch(Key(prefix), from);
    EXPECT_TRUE(watch.ok()) << watch.error().message();
    return watch.ok() ? std::move(*watch) : nullptr;
  }

  // So many events, or those that came in time.
  static std::vector<Event> Take(Watch& watch, size_t count) {
    std::vector<Event> events;
    const uint64_t end = NowNs() + kSoonMs * 1'000'000;
    while (events.size() < count && NowNs() < end) {
      Result<WatchBatch> batch = watch.Next(kSoonMs);
      EXPECT_TRUE(batch.ok()) << batch.error().message();
      if (!batch.ok()) {
        break;
      }
      events.insert(events.end(), batch->events.begin(), batch->events.end());
    }
    return events;
  }

  static int64_t RevisionOf(const Event& event) { return event.item.mod_revision; }

  // The store's revision: a transaction without operations changes nothing.
  int64_t Revision() { return Commit({}); }

  std::unique_ptr<StoreMaker> maker_;
  std::unique_ptr<StateStore> store_;
  std::string prefix_;
};

TEST_P(StoreConformance, KeepsKeysWithTheirRevisions) {
  EXPECT_EQ(Get("a"), std::nullopt);
  const int64_t made = Put("a", "1");
  const int64_t changed = Put("a", "2");
  EXPECT_EQ(changed, made + 1);
  EXPECT_EQ(Get("a"), (KeyValue{Key("a"), "2", made, changed, 0}));

  EXPECT_EQ(Delete("a"), changed + 1);
  EXPECT_EQ(Get("a"), std::nullopt);
  const int64_t again = Put("a", "3");
  EXPECT_EQ(Get("a"), (KeyValue{Key("a"), "3", again, again, 0}));
}

TEST_P(StoreConformance, CountsNoRevisionForWhatChangesNothing) {
  const int64_t before = Put("a", "1");
  EXPECT_EQ(Delete("absent"), before);
  EXPECT_EQ(Revision(), before);
  EXPECT_FALSE(Commits(
      {.compares = {Compare::Absent(Key("a"))}, .operations = {Operation::Put(Key("a"), "2")}}));
  EXPECT_EQ(Put("a", "3"), before + 1);
}

TEST_P(StoreConformance, GivesAllChangesOfATransactionOneRevision) {
  Put("gone", "");
  const int64_t revision =
      Commit({.compares = {},
              .operations = {Operation::Put(Key("a"), "1"), Operation::Delete(Key("gone")),
                             Operation::Put(Key("b"), "2")}});
  EXPECT_EQ(Get("a")->mod_revision, revision);
  EXPECT_EQ(Get("b")->create_revision, revision);
  EXPECT_EQ(Get("gone"), std::nullopt);
}

TEST_P(StoreConformance, ComparesBeforeItChanges) {
  const int64_t made = Put("a", "m");
  const int64_t changed = Put("a", "n");
  const auto holds = [&](Compare compare) {
    return Commits({.compares = {std::move(compare)}, .operations = {}});
  };
  const auto relation = [](Compare compare, Compare::Relation relation) {
    compare.relation = relation;
    return compare;
  };
  const std::string a = Key("a");
  EXPECT_TRUE(holds(Compare::Present(a)));
  EXPECT_FALSE(holds(Compare::Absent(a)));
  EXPECT_TRUE(holds(Compare::CreatedAt(a, made)));
  EXPECT_FALSE(holds(Compare::CreatedAt(a, changed)));
  EXPECT_TRUE(holds(Compare::ModifiedAt(a, changed)));
  EXPECT_FALSE(holds(Compare::ModifiedAt(a, made)));
  EXPECT_TRUE(holds(Compare::ValueIs(a, "n")));
  EXPECT_FALSE(holds(Compare::ValueIs(a, "m")));
  EXPECT_TRUE(holds(relation(Compare::ValueIs(a, "o"), Compare::Relation::kLess)));
  EXPECT_TRUE(holds(relation(Compare::ValueIs(a, "m"), Compare::Relation::kGreater)));
  EXPECT_TRUE(holds(relation(Compare::ModifiedAt(a, made), Compare::Relation::kNotEqual)));

  const std::string none = Key("none");
  EXPECT_TRUE(holds(Compare::Absent(none)));
  EXPECT_TRUE(holds(Compare::ModifiedAt(none, 0)));
  EXPECT_FALSE(holds(Compare::ValueIs(none, "")));
  EXPECT_FALSE(holds(relation(Compare::ValueIs(none, "x"), Compare::Relation::kNotEqual)));
}

TEST_P(StoreConformance, DoesNothingUnlessEveryConditionHolds) {
  Put("a", "1");
  EXPECT_FALSE(
      Commits({.compares = {Compare::ValueIs(Key("a"), "1"), Compare::Present(Key("b"))},
               .operations = {Operation::Put(Key("a"), "2"), Operation::Put(Key("c"), "3")}}));
  EXPECT_EQ(ValueOf("a"), "1");
  EXPECT_EQ(ValueOf("c"), "(absent)");
}

TEST_P(StoreConformance, RefusesWhatNoStoreTakes) {
  const auto code = [&](Transaction transaction) {
    return store().Txn(std::move(transaction)).error().code();
  };
  const std::string a = Key("a");
  EXPECT_EQ(code({{}, {Operation::Put("", "1")}}), StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{}, {Operation::Put(a, "1"), Operation::Delete(a)}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{}, {Operation::Put(std::string(kKeyBytesMax + 1, 'k'), "1")}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{}, {Operation::Put(a, std::string(kTransactionBytesMax, 'v'))}}),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(code({{}, {Operation::Put(a, "1", 4711)}}), store_error::kLeaseGone);
  Transaction many;
  for (size_t i = 0; i <= kOperationsMax; ++i) {
    many.operations.push_back(Operation::Put(Key(std::to_string(i)), "1"));
  }
  EXPECT_EQ(code(many), StatusCode::kInvalidArgument);
  many.operations.pop_back();
  EXPECT_TRUE(Commits(many));
  EXPECT_EQ(Get("a"), std::nullopt);
}

TEST_P(StoreConformance, TakesBigValuesAndAnyBytes) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<char>(i));
  }
  Put(bytes, bytes);
  EXPECT_EQ(ValueOf(bytes), bytes);
  Put("empty", "");
  EXPECT_EQ(ValueOf("empty"), "");

  const std::string big(kTransactionBytesMax - Key("big5").size(), 'b');
  Put("big", big);
  EXPECT_EQ(ValueOf("big"), big);
  for (const std::string name : {"big2", "big3", "big4", "big5"}) {
    Put(name, big);
  }
  // Together they are more than one page.
  EXPECT_EQ(NamesUnder("big"), (std::vector<std::string>{"big", "big2", "big3", "big4", "big5"}));
}

TEST_P(StoreConformance, ListsKeysInTheOrderOfTheirBytes) {
  for (const std::string name : {"b", "a/2", "a/10", "a", "a0", "a/"}) {
    Put(name, name);
  }
  EXPECT_EQ(NamesUnder("a"), (std::vector<std::string>{"a", "a/", "a/10", "a/2", "a0"}));
  EXPECT_EQ(NamesUnder("a/"), (std::vector<std::string>{"a/", "a/10", "a/2"}));
  EXPECT_EQ(NamesUnder("none"), std::vector<std::string>());

  Result<Page> page = store().Range({.prefix = Key("a"), .limit = 2, .from_key = {}});
  ASSERT_TRUE(page.ok()) << page.error().message();
  EXPECT_EQ(NamesIn(*page), (std::vector<std::string>{"a", "a/"}));
  EXPECT_TRUE(page->more);
  page =
      store().Range({.prefix = Key("a"), .limit = 3, .from_key = KeyAfter(page->items.back().key)});
  ASSERT_TRUE(page.ok()) << page.error().message();
  EXPECT_EQ(NamesIn(*page), (std::vector<std::string>{"a/10", "a/2", "a0"}));
  EXPECT_FALSE(page->more);
}

TEST_P(StoreConformance, ListsMoreThanAPage) {
  constexpr size_t kKeys = 2 * kPageItemsMax + 7;
  for (size_t next = 0; next < kKeys;) {
    Transaction transaction;
    for (size_t i = 0; i < kOperationsMax && next < kKeys; ++i, ++next) {
      transaction.operations.push_back(
          Operation::Put(Key("many/" + std::to_string(100'000 + next)), "v"));
    }
    Commit(std::move(transaction));
  }
  const std::vector<std::string> names = NamesUnder("many/");
  EXPECT_EQ(names.size(), kKeys);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
}

TEST_P(StoreConformance, KnowsWhereAPrefixOfHighBytesEnds) {
  const std::string high(1, '\xff');
  Put("p" + high, "1");
  Put("p" + high + high, "2");
  Put("p" + high + "x", "3");
  Put("q", "4");
  Put("p", "5");
  EXPECT_EQ(NamesUnder("p" + high),
            (std::vector<std::string>{"p" + high, "p" + high + "x", "p" + high + high}));
  EXPECT_EQ(NamesUnder("p" + high + high), (std::vector<std::string>{"p" + high + high}));

  // A prefix of nothing but high bytes goes to the very end of the store.
  const std::string top = high + high + Key("top");
  Commit({.compares = {}, .operations = {Operation::Put(top, "6")}});
  const Result<Page> page = store().List(high);
  ASSERT_TRUE(page.ok()) << page.error().message();
  ASSERT_FALSE(page->items.empty());
  EXPECT_TRUE(std::any_of(page->items.begin(), page->items.end(),
                          [&](const KeyValue& item) { return item.key == top; }));
  const int64_t revision = Get("q")->mod_revision;
  Result<std::unique_ptr<Watch>> watch = store().StartWatch(high, revision);
  ASSERT_TRUE(watch.ok());
  EXPECT_EQ(Take(**watch, 1).at(0).item.key, top);
  Commit({.compares = {}, .operations = {Operation::Delete(top)}});
}

TEST_P(StoreConformance, ListsTheWholeStoreUnderTheEmptyPrefix) {
  Put("a", "1");
  Put("b", "2");
  const Result<Page> page = store().List("");
  ASSERT_TRUE(page.ok()) << page.error().message();
  std::set<std::string> keys;
  for (const KeyValue& item : page->items) {
    keys.insert(item.key);
  }
  EXPECT_TRUE(keys.contains(Key("a")) && keys.contains(Key("b")));
}

TEST_P(StoreConformance, LetsOneOfManyRacersWin) {
  constexpr int kRacers = 8;
  std::atomic<int> winners = 0;
  std::vector<std::thread> racers;
  for (int i = 0; i < kRacers; ++i) {
    racers.emplace_back([&, i] {
      winners += Commits({.compares = {Compare::Absent(Key("prize"))},
                          .operations = {Operation::Put(Key("prize"), std::to_string(i))}});
    });
  }
  for (std::thread& racer : racers) {
    racer.join();
  }
  EXPECT_EQ(winners, 1);
}

TEST_P(StoreConformance, LosesNoIncrementOfManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kIncrements = 25;
  Put("n", "0");
  const auto increment = [&] {
    while (true) {
      const std::optional<KeyValue> n = Get("n");
      if (!n || Commits({.compares = {Compare::ModifiedAt(Key("n"), n->mod_revision)},
                         .operations = {
                             Operation::Put(Key("n"), std::to_string(std::stoi(n->value) + 1))}})) {
        return;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kIncrements; ++j) {
        increment();
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(ValueOf("n"), std::to_string(kThreads * kIncrements));
}

TEST_P(StoreConformance, AnswersEachOfManyQueuedTransactions) {
  constexpr int kTransactions = 300;
  std::mutex mutex;  // not Guarded: the test waits for the condition
  std::condition_variable all;
  std::vector<int64_t> revisions;
  for (int i = 0; i < kTransactions; ++i) {
    store().Submit(
        {.compares = {}, .operations = {Operation::Put(Key("q" + std::to_string(i)), "")}},
        [&](const Result<TxnResult>& result) {
          const std::lock_guard<std::mutex> lock(mutex);
          revisions.push_back(result.ok() ? result->revision : -1);
          all.notify_all();
        });
  }
  std::unique_lock<std::mutex> lock(mutex);
  EXPECT_TRUE(all.wait_for(lock, std::chrono::milliseconds(kSoonMs),
                           [&] { return revisions.size() == kTransactions; }));
  const std::set<int64_t> distinct(revisions.begin(), revisions.end());
  EXPECT_EQ(distinct.size(), static_cast<size_t>(kTransactions));
  EXPECT_GT(*distinct.begin(), 0);
  EXPECT_EQ(NamesUnder("q").size(), static_cast<size_t>(kTransactions));
}

TEST_P(StoreConformance, WatchersSeeEveryChangeOnceAndInOrder) {
  const std::unique_ptr<Watch> watch = StartWatch("w/", Revision() + 1);
  std::thread other([&] {
    for (int i = 0; i < 50; ++i) {
      Put("elsewhere", std::to_string(i));
    }
  });
  std::vector<Event> expected;
  for (int i = 0; i < 50; ++i) {
    const int64_t revision = Put("w/" + std::to_string(i % 7), std::to_string(i));
    Event event;
    event.item = *Get("w/" + std::to_string(i % 7));
    EXPECT_EQ(event.item.mod_revision, revision);
    expected.push_back(event);
  }
  const int64_t gone = Delete("w/3");
  Event event;
  event.kind = Event::Kind::kDelete;
  event.item.key = Key("w/3");
  event.item.mod_revision = gone;
  expected.push_back(event);
  other.join();
  EXPECT_EQ(Take(*watch, expected.size()), expected);
  const Result<WatchBatch> quiet = watch->Next(kQuietMs);
  ASSERT_TRUE(quiet.ok());
  EXPECT_TRUE(quiet->events.empty());
}

TEST_P(StoreConformance, ResumesAWatchWhereAnotherEnded) {
  const int64_t first = Put("w", "0");
  for (int i = 1; i < 10; ++i) {
    Put("w", std::to_string(i));
  }
  std::unique_ptr<Watch> watch = StartWatch("w", first);
  Result<WatchBatch> batch = watch->Next(kSoonMs);
  ASSERT_TRUE(batch.ok());
  std::vector<Event> events = batch->events;
  ASSERT_FALSE(events.empty());
  watch.reset();
  Reopen();
  Put("w", "10");
  watch = StartWatch("w", batch->next_revision);
  const std::vector<Event> rest = Take(*watch, 11 - events.size());
  events.insert(events.end(), rest.begin(), rest.end());
  ASSERT_EQ(events.size(), 11u);
  for (int i = 0; i < 11; ++i) {
    EXPECT_EQ(events[static_cast<size_t>(i)].item.value, std::to_string(i));
  }
}

TEST_P(StoreConformance, StartsAWatchFromNow) {
  Put("w", "before");
  const std::unique_ptr<Watch> watch = StartWatch("w", 0);
  // Wherever the store is, the watch stands before it asks for the next change.
  ASSERT_TRUE(watch->Next(kQuietMs).ok());
  Put("w", "after");
  EXPECT_EQ(Take(*watch, 1).at(0).item.value, "after");
}

TEST_P(StoreConformance, NeverTearsARevisionApart) {
  const int64_t from = Revision() + 1;
  for (int i = 0; i < 20; ++i) {
    Transaction transaction;
    for (size_t j = 0; j < kOperationsMax; ++j) {
      transaction.operations.push_back(Operation::Put(Key("w" + std::to_string(j)), "v"));
    }
    Commit(std::move(transaction));
  }
  const std::unique_ptr<Watch> watch = StartWatch("w", from);
  size_t seen = 0;
  while (seen < 20 * kOperationsMax) {
    const Result<WatchBatch> batch = watch->Next(kSoonMs);
    ASSERT_TRUE(batch.ok()) << batch.error().message();
    ASSERT_FALSE(batch->events.empty());
    std::map<int64_t, size_t> of_revision;
    for (const Event& event : batch->events) {
      ++of_revision[RevisionOf(event)];
    }
    for (const auto& [revision, count] : of_revision) {
      EXPECT_EQ(count, kOperationsMax) << "revision " << revision;
    }
    EXPECT_EQ(batch->next_revision, of_revision.rbegin()->first + 1);
    seen += batch->events.size();
  }
}

TEST_P(StoreConformance, EndsAWaitThatIsCancelled) {
  const std::unique_ptr<Watch> watch = StartWatch("w", 0);
  std::thread canceller([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    watch->Cancel();
  });
  const uint64_t begun = NowNs();
  const Result<WatchBatch> batch = watch->Next(60'000);
  canceller.join();
  ASSERT_TRUE(batch.ok()) << batch.error().message();
  EXPECT_TRUE(batch->events.empty());
  EXPECT_LT(NowNs() - begun, 30'000'000'000u);
  EXPECT_TRUE(watch->Next(60'000).ok());
}

TEST_P(StoreConformance, SaysThatEventsAreGoneAfterCompaction) {
  const int64_t first = Put("w", "1");
  Put("w", "2");
  const int64_t third = Put("w", "3");
  const int64_t last = Put("w", "4");
  ASSERT_TRUE(store().Compact(third).ok());
  const Result<WatchBatch> gone = StartWatch("w", first)->Next(kSoonMs);
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code(), store_error::kCompacted) << gone.error().message();

  const std::vector<Event> kept = Take(*StartWatch("w", third + 1), 1);
  EXPECT_EQ(RevisionOf(kept.at(0)), last);
  EXPECT_EQ(ValueOf("w"), "4");
  EXPECT_EQ(store().Compact(first).code(), store_error::kCompacted);
  EXPECT_EQ(store().Compact(last + 1000).code(), StatusCode::kInvalidArgument);
}

TEST_P(StoreConformance, KeepsAWatchThatIsAheadOfCompaction) {
  const std::unique_ptr<Watch> watch = StartWatch("w", 0);
  ASSERT_TRUE(watch->Next(kQuietMs).ok());
  for (int i = 0; i < 5; ++i) {
    Put("elsewhere", std::to_string(i));
  }
  const int64_t seen = Put("w", "1");
  EXPECT_EQ(Take(*watch, 1).at(0).item.value, "1");
  ASSERT_TRUE(store().Compact(seen).ok());
  Put("w", "2");
  EXPECT_EQ(Take(*watch, 1).at(0).item.value, "2");
}

TEST_P(StoreConformance, DeletesTheKeysOfALeaseThatEnds) {
  const Result<Lease> lease = store().GrantLease(2);
  ASSERT_TRUE(lease.ok()) << lease.error().message();
  EXPECT_GE(lease->ttl_s, 2);
  const int64_t bound = Put("bound", "1", lease->id);
  Put("free", "1");
  EXPECT_EQ(Get("bound")->lease, lease->id);
  const uint64_t begun = NowNs();
  const std::vector<Event> events = Take(*StartWatch("bound", bound + 1), 1);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, Event::Kind::kDelete);
  const uint64_t lived_ms = (NowNs() - begun) / 1'000'000;
  EXPECT_GE(lived_ms, 1500u);
  EXPECT_LE(lived_ms, static_cast<uint64_t>(lease->ttl_s) * 1000 + 3000);
  EXPECT_EQ(ValueOf("bound"), "(absent)");
  EXPECT_EQ(ValueOf("free"), "1");
  EXPECT_EQ(store().KeepAlive(lease->id).error().code(), store_error::kLeaseGone);
}

TEST_P(StoreConformance, KeepsALeaseThatIsKeptAlive) {
  const Result<Lease> lease = store().GrantLease(2);
  ASSERT_TRUE(lease.ok()) << lease.error().message();
  Put("bound", "1", lease->id);
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    const Result<int64_t> left = store().KeepAlive(lease->id);
    ASSERT_TRUE(left.ok()) << left.error().message();
    EXPECT_EQ(*left, lease->ttl_s);
  }
  EXPECT_EQ(ValueOf("bound"), "1");
  EXPECT_TRUE(store().RevokeLease(lease->id).ok());
}

TEST_P(StoreConformance, DeletesTheKeysOfARevokedLeaseAtOnce) {
  const Result<Lease> lease = store().GrantLease(60);
  ASSERT_TRUE(lease.ok()) << lease.error().message();
  Put("a", "1", lease->id);
  Put("b", "1", lease->id);
  const int64_t moved = Put("b", "2");
  ASSERT_TRUE(store().RevokeLease(lease->id).ok());
  EXPECT_EQ(ValueOf("a"), "(absent)");
  EXPECT_EQ(ValueOf("b"), "2") << "a put without the lease takes the key out of it";
  EXPECT_EQ(RevisionOf(Take(*StartWatch("a", moved), 1).at(0)), moved + 1);
  EXPECT_EQ(store().RevokeLease(lease->id).code(), store_error::kLeaseGone);
  EXPECT_EQ(store().KeepAlive(lease->id).error().code(), store_error::kLeaseGone);
}

TEST_P(StoreConformance, HasEverythingWhenItIsOpenedAgain) {
  const Result<Lease> lease = store().GrantLease(60);
  ASSERT_TRUE(lease.ok()) << lease.error().message();
  Put("bound", "1", lease->id);
  Put("a", "1");
  const int64_t last = Put("a", "2");
  const std::optional<KeyValue> before = Get("a");
  Reopen();
  EXPECT_EQ(Get("a"), before);
  EXPECT_EQ(Revision(), last);
  EXPECT_TRUE(store().KeepAlive(lease->id).ok());
  EXPECT_EQ(Put("a", "3"), last + 1);
  ASSERT_TRUE(store().RevokeLease(lease->id).ok());
  EXPECT_EQ(ValueOf("bound"), "(absent)");
}

INSTANTIATE_TEST_SUITE_P(Stores,
                         StoreConformance,
                         testing::ValuesIn(StoresToTest()),
                         [](const testing::TestParamInfo<StoreKind>& info) {
                           return info.param.name;
                         });

}  // namespace
}  // namespace farlane::pool
