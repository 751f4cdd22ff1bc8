// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/server_roll.h"

#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/pool-manager/trust/memory_records.h"

namespace farlane::pool {
namespace {

const std::string kOne(32, 'a');

v1::ServerRecord Record(const std::string& id) {
  v1::ServerRecord record;
  record.set_server_id(id);
  record.set_joined_ms(1);
  return record;
}

TEST(ServerRoll, IsRememberedByWhoeverLeadsNext) {
  MemoryRecords records;
  const auto roll = ServerRoll::Open(records).value();
  EXPECT_FALSE(roll->Has(kOne));
  ASSERT_TRUE(roll->Enter(Record(kOne)).ok());
  EXPECT_TRUE(roll->Has(kOne));
  EXPECT_FALSE(roll->IsRevoked(kOne));
  ASSERT_TRUE(roll->Revoke(kOne, "gpu1", "ann", 5).ok());
  const auto next = ServerRoll::Open(records).value();
  EXPECT_TRUE(next->IsRevoked(kOne));
  EXPECT_FALSE(next->Has(std::string(32, 'b')));
}

TEST(ServerRoll, WhoWasRevokedStaysSo) {
  MemoryRecords records;
  const auto roll = ServerRoll::Open(records).value();
  ASSERT_TRUE(roll->Revoke(kOne, "gpu1", "ann", 5).ok());  // though it never was entered
  ASSERT_TRUE(roll->Enter(Record(kOne)).ok());
  EXPECT_TRUE(roll->IsRevoked(kOne));
  EXPECT_EQ(roll->Revoke(kOne, "gpu1", "bob", 7).value().revoked_by(), "ann");
  EXPECT_TRUE(ServerRoll::Open(records).value()->IsRevoked(kOne));
}

// Who asked for a certificate a moment before that must not write over it.
TEST(ServerRoll, WhoEntersWhileHeIsRevokedStaysRevoked) {
  MemoryRecords records;
  const auto roll = ServerRoll::Open(records).value();
  std::thread newcomer;
  records.on_commit = [&] {
    newcomer = std::thread([&] { EXPECT_TRUE(roll->Enter(Record(kOne)).ok()); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // it waits for its turn by now
  };
  ASSERT_TRUE(roll->Revoke(kOne, "gpu1", "ann", 5).ok());
  newcomer.join();
  EXPECT_TRUE(roll->IsRevoked(kOne));
  EXPECT_TRUE(ServerRoll::Open(records).value()->IsRevoked(kOne));
}

TEST(ServerRoll, WhatCannotBeStoredDoesNotHold) {
  MemoryRecords records;
  const auto roll = ServerRoll::Open(records).value();
  records.fails = true;
  EXPECT_FALSE(roll->Enter(Record(kOne)).ok());
  EXPECT_FALSE(roll->Revoke(kOne, "gpu1", "ann", 5).ok());
  EXPECT_FALSE(roll->Has(kOne));
}

}  // namespace
}  // namespace farlane::pool
