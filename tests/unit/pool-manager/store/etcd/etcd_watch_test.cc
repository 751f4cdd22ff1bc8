// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/etcd_watch.h"

#include <gtest/gtest.h>

#include "tests/unit/pool-manager/store/etcd/scripted_etcd.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSoonMs = 5000;

etcdserverpb::WatchResponse Events(const std::vector<int64_t>& revisions, bool fragment = false) {
  etcdserverpb::WatchResponse response;
  // The member is far ahead of what it sends.
  response.mutable_header()->set_revision(1'000'000);
  response.set_fragment(fragment);
  for (const int64_t revision : revisions) {
    etcdserverpb::KeyValue* const item = response.add_events()->mutable_kv();
    item->set_key("k");
    item->set_mod_revision(revision);
  }
  return response;
}

etcdserverpb::WatchResponse Created() {
  etcdserverpb::WatchResponse response;
  response.mutable_header()->set_revision(1'000'000);
  response.set_created(true);
  return response;
}

std::vector<int64_t> Revisions(const Result<WatchBatch>& batch) {
  std::vector<int64_t> revisions;
  EXPECT_TRUE(batch.ok()) << batch.error().message();
  for (size_t i = 0; batch.ok() && i < batch->events.size(); ++i) {
    revisions.push_back(batch->events[i].item.mod_revision);
  }
  return revisions;
}

using Seen = std::vector<int64_t>;

TEST(EtcdWatch, GoesOnAfterTheLastRevisionWhenAStreamBreaks) {
  ScriptedEtcd etcd;
  etcd.Script(
      {{.responses = {Created(), Events({5, 6})}}, {.responses = {Created(), Events({7})}}});
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const Result<std::unique_ptr<Watch>> watch = store->StartWatch("k", 5);
  ASSERT_TRUE(watch.ok());
  EXPECT_EQ(Revisions((*watch)->Next(kSoonMs)), (Seen{5, 6}));
  EXPECT_EQ(Revisions((*watch)->Next(kSoonMs)), (Seen{7}));
  EXPECT_EQ(Revisions((*watch)->Next(300)), Seen{});
  ASSERT_GE(etcd.asked().size(), 3u);
  EXPECT_EQ(etcd.asked()[0].start_revision(), 5);
  EXPECT_EQ(etcd.asked()[1].start_revision(), 7);
  EXPECT_EQ(etcd.asked()[2].start_revision(), 8);
  EXPECT_TRUE(etcd.all_want_a_leader());
}

TEST(EtcdWatch, PutsTheFragmentsOfARevisionTogether) {
  ScriptedEtcd etcd;
  etcd.Script(
      {{.responses = {Created(), Events({5, 6, 6}, true), Events({6, 6}, true), Events({6})},
        .end = grpc::Status::OK}});
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const Result<std::unique_ptr<Watch>> watch = store->StartWatch("k", 5);
  EXPECT_EQ(Revisions((*watch)->Next(kSoonMs)), (Seen{5}));
  EXPECT_EQ(Revisions((*watch)->Next(kSoonMs)), (Seen{6, 6, 6, 6, 6}));
}

TEST(EtcdWatch, AsksAnewForARevisionThatCameInPart) {
  ScriptedEtcd etcd;
  etcd.Script({{.responses = {Created(), Events({5, 6, 6}, true)}},
               {.responses = {Created(), Events({6, 6, 6})}, .end = grpc::Status::OK}});
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const Result<std::unique_ptr<Watch>> watch = store->StartWatch("k", 5);
  EXPECT_EQ(Revisions((*watch)->Next(kSoonMs)), (Seen{5}));
  EXPECT_EQ(Revisions((*watch)->Next(kSoonMs)), (Seen{6, 6, 6}));
  EXPECT_EQ(etcd.asked().at(1).start_revision(), 6);
}

TEST(EtcdWatch, StaysAheadOfCompactionByProgressNotes) {
  ScriptedEtcd etcd;
  etcdserverpb::WatchResponse progress;
  progress.mutable_header()->set_revision(50);
  etcd.Script({{.responses = {Created(), progress}}});
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const Result<std::unique_ptr<Watch>> watch = store->StartWatch("k", 5);
  const Result<WatchBatch> batch = (*watch)->Next(500);
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->next_revision, 51);
  EXPECT_EQ(etcd.asked().at(1).start_revision(), 51);
}

TEST(EtcdWatch, EndsWhenItsEventsAreCompacted) {
  ScriptedEtcd etcd;
  etcdserverpb::WatchResponse gone;
  gone.set_canceled(true);
  gone.set_compact_revision(40);
  etcd.Script({{.responses = {Created(), gone}, .end = grpc::Status::OK}});
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const Result<std::unique_ptr<Watch>> watch = store->StartWatch("k", 5);
  for (int i = 0; i < 2; ++i) {
    const Result<WatchBatch> batch = (*watch)->Next(kSoonMs);
    ASSERT_FALSE(batch.ok());
    EXPECT_EQ(batch.error().code(), store_error::kCompacted);
  }
  EXPECT_EQ(etcd.asked().size(), 1u);
}

TEST(EtcdWatch, BelievesNoEventsThatGoBackwards) {
  ScriptedEtcd etcd;
  etcd.Script({{.responses = {Created(), Events({4})}, .end = grpc::Status::OK}});
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const Result<std::unique_ptr<Watch>> watch = store->StartWatch("k", 5);
  const Result<WatchBatch> batch = (*watch)->Next(kSoonMs);
  ASSERT_FALSE(batch.ok());
  EXPECT_EQ(batch.error().code(), store_error::kCorrupt);
}

}  // namespace
}  // namespace farlane::pool
