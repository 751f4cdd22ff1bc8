// SPDX-License-Identifier: Apache-2.0
// The store in real clusters that lose members, and room.
#include "tests/unit/pool-manager/store/etcd/etcd_cluster.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>

#include "protocol/base/clock.h"
#include "tests/support/certificate.h"

namespace farlane::pool {
namespace {

class EtcdClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!EtcdCluster::Available()) {
      GTEST_SKIP() << "no etcd here (tools/packages.sh tests)";
    }
  }
};

Transaction PutOf(const std::string& key, const std::string& value) {
  return {.compares = {}, .operations = {Operation::Put(key, value)}};
}

// Numbers are written one after the other; each until it is known to be there.
class Counter {
 public:
  explicit Counter(EtcdStore& store) : store_(store) {}

  void Run(const std::atomic<bool>& over) {
    uint64_t last = NowNs();
    while (!over) {
      const Result<TxnResult> result = store_.Txn(PutOf("n", std::to_string(written_ + 1)));
      if (result.ok()) {
        ++written_;
        longest_gap_ns_ = std::max(longest_gap_ns_, NowNs() - last);
        last = NowNs();
      }
    }
  }

  int written() const { return written_; }

  uint64_t longest_gap_ms() const { return longest_gap_ns_ / 1'000'000; }

 private:
  EtcdStore& store_;
  int written_ = 0;
  uint64_t longest_gap_ns_ = 0;
};

TEST_F(EtcdClusterTest, GoesOnWhenAnyMemberIsKilled) {
  EtcdCluster cluster(3);
  const std::unique_ptr<EtcdStore> store = cluster.Open();
  const std::unique_ptr<EtcdStore> watcher = cluster.Open();
  const Result<TxnResult> begun = store->Txn(PutOf("n", "0"));
  ASSERT_TRUE(begun.ok()) << begun.error().message();
  const Result<std::unique_ptr<Watch>> watch = watcher->StartWatch("n", begun->revision + 1);
  ASSERT_TRUE(watch.ok()) << watch.error().message();

  std::atomic<bool> over = false;
  Counter counter(*store);
  std::thread writer([&] { counter.Run(over); });
  // One of them is the leader.
  for (size_t member = 0; member < 3; ++member) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    cluster.Kill(member);
    std::this_thread::sleep_for(std::chrono::seconds(3));
    cluster.Start(member);
  }
  std::this_thread::sleep_for(std::chrono::seconds(1));
  over = true;
  writer.join();
  std::printf("%d numbers written; longest gap %d ms\n", counter.written(),
              static_cast<int>(counter.longest_gap_ms()));
  EXPECT_GT(counter.written(), 100);
  EXPECT_LT(counter.longest_gap_ms(), 4000u);

  // A number whose answer was lost comes twice; none is missing, no event comes twice.
  int last = 0;
  int64_t revision = begun->revision;
  while (last < counter.written()) {
    const Result<WatchBatch> batch = (*watch)->Next(5000);
    ASSERT_TRUE(batch.ok()) << batch.error().message();
    ASSERT_FALSE(batch->events.empty()) << "after number " << last;
    for (const Event& event : batch->events) {
      const int number = std::stoi(event.item.value);
      EXPECT_TRUE(number == last || number == last + 1) << number << " after " << last;
      EXPECT_GT(event.item.mod_revision, revision);
      last = number;
      revision = event.item.mod_revision;
    }
  }
}

TEST_F(EtcdClusterTest, SaysThatThereIsNoRoom) {
  EtcdCluster cluster(1, {"--quota-backend-bytes", "2097152"});
  const std::unique_ptr<EtcdStore> store = cluster.Open();
  Status failure;
  for (int i = 0; i < 50 && failure.ok(); ++i) {
    failure = store->Txn(PutOf("k" + std::to_string(i), std::string(500'000, 'v'))).error();
  }
  EXPECT_EQ(failure.code(), store_error::kNoSpace) << failure.message();
  EXPECT_TRUE(store->Get("k0").ok());
}

TEST_F(EtcdClusterTest, ReadsFromAMemberThatHasLostTheOthersFail) {
  EtcdCluster cluster(3);
  const std::unique_ptr<EtcdStore> all = cluster.Open();
  ASSERT_TRUE(all->Txn(PutOf("a", "1")).ok());
  const std::unique_ptr<EtcdStore> one = cluster.Open({0});
  ASSERT_TRUE(one->Get("a").ok());
  cluster.Signal(1, SIGSTOP);
  cluster.Signal(2, SIGSTOP);
  EXPECT_FALSE(one->Get("a").ok()) << "an old value would be worse than none";
  EXPECT_FALSE(one->Txn(PutOf("a", "2")).ok());
  EXPECT_FALSE(one->Txn({}).ok()) << "nor can it know the revision";
  cluster.Signal(1, SIGCONT);
  cluster.Signal(2, SIGCONT);
  Status back = one->Get("a").error();
  for (int i = 0; i < 5 && !back.ok(); ++i) {
    back = one->Get("a").error();
  }
  EXPECT_TRUE(back.ok()) << back.message();
}

TEST_F(EtcdClusterTest, IsReachedByThoseWithACertificateOnly) {
  using farlane::testing::Certificate;
  const Certificate authority({.authority = true});
  const Certificate stranger({.authority = true});
  const Certificate server({}, &authority);
  const Certificate client({}, &authority);
  const EtcdCluster cluster(1, {},
                            {.authority = authority.cert_file(),
                             .server = server.cert_file(),
                             .server_key = server.key_file(),
                             .client = client.cert_file(),
                             .client_key = client.key_file()});
  EXPECT_TRUE(cluster.Open()->Txn(PutOf("a", "1")).ok());

  const auto reaches = [](EtcdStore::Options options) {
    options.timeout_ms = 1000;
    const Result<std::unique_ptr<EtcdStore>> store = EtcdStore::Open(options);
    return store.ok() && (*store)->Get("a").ok();
  };
  EtcdStore::Options options = cluster.StoreOptions();
  EXPECT_TRUE(reaches(options));
  options.authority_file = stranger.cert_file();
  EXPECT_FALSE(reaches(options)) << "a server that nobody vouches for";
  options = cluster.StoreOptions();
  options.certificate_file.clear();
  EXPECT_FALSE(reaches(options)) << "a client without a certificate";
  options.authority_file.clear();
  EXPECT_FALSE(reaches(options)) << "in the clear";
}

}  // namespace
}  // namespace farlane::pool
