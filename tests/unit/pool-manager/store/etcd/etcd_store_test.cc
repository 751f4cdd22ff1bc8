// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/etcd_store.h"

#include <gtest/gtest.h>

#include "pool-manager/store/backoff.h"
#include "protocol/base/clock.h"
#include "tests/unit/pool-manager/store/etcd/scripted_etcd.h"

namespace farlane::pool {
namespace {

grpc::Status Failure(grpc::StatusCode code, const std::string& text) {
  return {code, text};
}

grpc::Status TooMany() {
  return Failure(grpc::StatusCode::RESOURCE_EXHAUSTED, "etcdserver: too many requests");
}

grpc::Status TimedOut() {
  return Failure(grpc::StatusCode::UNAVAILABLE, "etcdserver: request timed out");
}

Transaction PutOf(const std::string& key) {
  return {.compares = {}, .operations = {Operation::Put(key, "v")}};
}

Status FailureToOpen(const std::vector<std::string>& endpoints) {
  EtcdStore::Options options;
  options.endpoints = endpoints;
  return EtcdStore::Open(options).error();
}

TEST(Backoff, GrowsFrom50To200Milliseconds) {
  Backoff backoff(7);
  for (const uint64_t step : {50, 100, 200, 200, 200}) {
    const uint64_t wait = backoff.NextMs();
    EXPECT_GE(wait, step / 2);
    EXPECT_LE(wait, step);
  }
  backoff.Reset();
  EXPECT_LE(backoff.NextMs(), 50u);
}

TEST(EtcdStore, RefusesEndpointsThatItCannotUse) {
  EXPECT_EQ(FailureToOpen({}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FailureToOpen({"host"}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FailureToOpen({"http://host:1"}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FailureToOpen({"one:1", "two:2"}).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(FailureToOpen({"127.0.0.1:1", "[::1]:2"}).code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(FailureToOpen({"127.0.0.1:1", "127.0.0.2:2"}).ok());
  EXPECT_TRUE(FailureToOpen({"[::1]:1", "[::1]:2"}).ok());
  EXPECT_TRUE(FailureToOpen({"etcd.example:2379"}).ok());
}

TEST(EtcdStore, TriesAgainWhatWasSurelyNotDone) {
  ScriptedEtcd etcd;
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  etcd.FailNext({TooMany(), TooMany(), TooMany()});
  const Result<TxnResult> result = store->Txn(PutOf("a"));
  ASSERT_TRUE(result.ok()) << result.error().message();
  EXPECT_EQ(result->revision, 7);
  EXPECT_EQ(etcd.calls(), 4);
}

TEST(EtcdStore, TriesNoChangeAgainThatMayHaveBeenMade) {
  ScriptedEtcd etcd;
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  for (const grpc::Status& failure :
       {TimedOut(), Failure(grpc::StatusCode::UNAVAILABLE, "etcdserver: leader changed"),
        Failure(grpc::StatusCode::UNAVAILABLE, "Socket closed")}) {
    etcd.FailNext({failure});
    EXPECT_EQ(store->Txn(PutOf("a")).error().code(), store_error::kUnknown);
    EXPECT_EQ(etcd.calls(), 1);
  }
}

TEST(EtcdStore, TriesReadsAgainWhateverHappened) {
  ScriptedEtcd etcd;
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  etcd.FailNext({TimedOut(), TooMany(), TimedOut()});
  EXPECT_TRUE(store->Get("a").ok());
  EXPECT_EQ(etcd.calls(), 4);
}

TEST(EtcdStore, SaysWhatAFailureMeans) {
  ScriptedEtcd etcd;
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  const auto code = [&](grpc::StatusCode failure, const std::string& text) {
    etcd.FailNext({Failure(failure, text)});
    return store->Txn(PutOf("a")).error().code();
  };
  EXPECT_EQ(code(grpc::StatusCode::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"),
            store_error::kNoSpace);
  EXPECT_EQ(code(grpc::StatusCode::NOT_FOUND, "etcdserver: requested lease not found"),
            store_error::kLeaseGone);
  EXPECT_EQ(code(grpc::StatusCode::DATA_LOSS, "etcdserver: corrupt cluster"),
            store_error::kCorrupt);
  EXPECT_EQ(code(grpc::StatusCode::OUT_OF_RANGE,
                 "etcdserver: mvcc: required revision has been compacted"),
            store_error::kCompacted);
  EXPECT_EQ(code(grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: request is too large"),
            StatusCode::kInvalidArgument);
}

TEST(EtcdStore, GivesUpInTimeWhenNobodyAnswers) {
  EtcdStore::Options options;
  {
    // A port where nobody listens.
    const ScriptedEtcd gone;
    options.endpoints = {"127.0.0.1:1"};
  }
  options.timeout_ms = 1000;
  const Result<std::unique_ptr<EtcdStore>> store = EtcdStore::Open(options);
  ASSERT_TRUE(store.ok());
  const uint64_t begun = NowNs();
  EXPECT_EQ((*store)->Txn(PutOf("a")).error().code(), store_error::kRetry);
  const Status read = (*store)->Get("a").error();
  EXPECT_TRUE(read.code() == store_error::kRetry || read.code() == store_error::kUnknown)
      << read.message();
  EXPECT_LT(NowNs() - begun, 5'000'000'000u);
}

TEST(EtcdStore, BelievesNoAnswerThatCannotBe) {
  ScriptedEtcd etcd;
  const std::unique_ptr<EtcdStore> store = etcd.Open();
  etcdserverpb::RangeResponse answer;
  answer.set_more(true);
  etcd.AnswerRange(answer);
  EXPECT_EQ(store->List("a").error().code(), store_error::kCorrupt);
  answer.set_more(false);
  answer.add_kvs()->set_key("other");
  etcd.AnswerRange(answer);
  EXPECT_EQ(store->List("a").error().code(), store_error::kCorrupt);
  EXPECT_EQ(store->Get("a").error().code(), store_error::kCorrupt);
}

}  // namespace
}  // namespace farlane::pool
