// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/ledger.h"

#include <random>

#include <gtest/gtest.h>

#include "protocol/base/bytes.h"

namespace farlane::server {
namespace {

std::vector<DeviceQuota> Quota(uint64_t limit) {
  return {{.total_bytes = limit, .limit_bytes = limit}};
}

TEST(Ledger, RefusesWhatWouldPassTheSessionsLimit) {
  Ledger ledger(Quota(1000));
  const Ledger::Session session = ledger.Open(Quota(80));
  const Ledger::Holder first = ledger.Join(session);
  const Ledger::Holder second = ledger.Join(session);

  EXPECT_TRUE(ledger.Take(first, 0, 50));
  EXPECT_FALSE(ledger.Take(second, 0, 31));
  EXPECT_TRUE(ledger.Take(second, 0, 30));

  EXPECT_EQ(ledger.session_bytes(session, 0), 80u);
  EXPECT_EQ(ledger.FiguresFor(first, 0).total_bytes, 80u);
}

TEST(Ledger, RefusesWhatWouldPassTheDevice) {
  Ledger ledger(Quota(100));
  const Ledger::Holder one = ledger.Join(ledger.Open(Quota(80)));
  const Ledger::Holder other = ledger.Join(ledger.Open(Quota(80)));

  EXPECT_TRUE(ledger.Take(one, 0, 80));
  EXPECT_FALSE(ledger.Take(other, 0, 21));
  EXPECT_TRUE(ledger.Take(other, 0, 20));
}

TEST(Ledger, ASizeNearTheEndOfNumbersDoesNotWrapAround) {
  Ledger ledger(Quota(100));
  const Ledger::Holder holder = ledger.Join(ledger.Open(Quota(100)));
  ASSERT_TRUE(ledger.Take(holder, 0, 10));

  EXPECT_FALSE(ledger.Take(holder, 0, UINT64_MAX));
  EXPECT_FALSE(ledger.Take(holder, 0, UINT64_MAX - 5));
  EXPECT_FALSE(ledger.Return(holder, 0, 11));
  EXPECT_EQ(ledger.device_bytes(0), 10u);
}

TEST(Ledger, WhoLeavesReturnsAll) {
  Ledger ledger(Quota(100));
  const Ledger::Session session = ledger.Open(Quota(100));
  const Ledger::Holder stays = ledger.Join(session);
  const Ledger::Holder leaves = ledger.Join(session);
  ASSERT_TRUE(ledger.Take(stays, 0, 10));
  ASSERT_TRUE(ledger.Take(leaves, 0, 60));

  ledger.Leave(leaves);

  EXPECT_EQ(ledger.session_bytes(session, 0), 10u);
  EXPECT_EQ(ledger.device_bytes(0), 10u);
}

TEST(Ledger, DevicesAreCountedApart) {
  const std::vector<DeviceQuota> two = {{100, 100}, {100, 100}};
  Ledger ledger(two);
  const Ledger::Holder holder = ledger.Join(ledger.Open(two));
  ASSERT_TRUE(ledger.Take(holder, 0, 100));

  EXPECT_EQ(ledger.FiguresFor(holder, 0).free_bytes, 0u);
  EXPECT_EQ(ledger.FiguresFor(holder, 1).free_bytes, 100u);
}

TEST(Ledger, WhatOthersHoldAndDoNotUseCountsAsFree) {
  Ledger ledger(Quota(100));
  const Ledger::Session session = ledger.Open(Quota(90));
  const Ledger::Holder own = ledger.Join(session);
  const Ledger::Holder sibling = ledger.Join(session);
  const Ledger::Holder tenant = ledger.Join(ledger.Open(Quota(90)));
  ASSERT_TRUE(ledger.Take(own, 0, 10));
  ASSERT_TRUE(ledger.Take(sibling, 0, 40));
  ASSERT_TRUE(ledger.Take(tenant, 0, 30));
  ledger.NoteIdle(own, 0, 10);
  ledger.NoteIdle(sibling, 0, 15);

  // 100 less its own 10, the sibling's 25 and the tenant's 30.
  EXPECT_EQ(ledger.FiguresFor(own, 0).free_bytes, 35u);
  EXPECT_EQ(ledger.FiguresFor(tenant, 0).free_bytes, 45u);  // 100 less its 30 and the 25
}

TEST(Ledger, ASessionsLimitIsNotHelpedByOtherSessions) {
  Ledger ledger(Quota(100));
  const Ledger::Session session = ledger.Open(Quota(50));
  const Ledger::Holder own = ledger.Join(session);
  const Ledger::Holder sibling = ledger.Join(session);
  const Ledger::Holder tenant = ledger.Join(ledger.Open(Quota(50)));
  ASSERT_TRUE(ledger.Take(own, 0, 10));
  ASSERT_TRUE(ledger.Take(sibling, 0, 40));
  ASSERT_TRUE(ledger.Take(tenant, 0, 40));
  ledger.NoteIdle(sibling, 0, 40);
  ledger.NoteIdle(tenant, 0, 40);

  const auto claims = ledger.IdleFor(own, 0, 20, {});
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].holder, sibling);
  EXPECT_EQ(claims[0].bytes, 20u);
  EXPECT_TRUE(ledger.IdleFor(own, 0, 20, {sibling}).empty());
  EXPECT_TRUE(ledger.ClaimsFor(own, 0, 51, {}).empty()) << "more than all of it";
}

TEST(Ledger, AsksThoseWhoDoNotUseItBeforeThoseWhoMay) {
  Ledger ledger(Quota(100));
  const Ledger::Holder asker = ledger.Join(ledger.Open(Quota(100)));
  const Ledger::Holder busy = ledger.Join(ledger.Open(Quota(100)));
  const Ledger::Holder idle = ledger.Join(ledger.Open(Quota(100)));
  ASSERT_TRUE(ledger.Take(busy, 0, 60));
  ASSERT_TRUE(ledger.Take(idle, 0, 40));
  ledger.NoteIdle(idle, 0, 40);

  auto claims = ledger.IdleFor(asker, 0, 30, {});
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims[0].holder, idle);
  EXPECT_TRUE(ledger.IdleFor(asker, 0, 50, {}).empty());
  // What is in use as far as is known may still be a cache.
  claims = ledger.ClaimsFor(asker, 0, 50, {});
  EXPECT_EQ(claims.size(), 2u);
}

TEST(Ledger, AnyOrderOfStepsKeepsItsSums) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  Ledger ledger(Quota(1000));
  std::vector<Ledger::Session> sessions = {ledger.Open(Quota(700)), ledger.Open(Quota(400))};
  std::map<Ledger::Holder, std::pair<size_t, uint64_t>> model;  // whose it is, and what it holds
  for (int step = 0; step < 20'000; ++step) {
    const uint64_t bytes = random() % 300;
    if (model.empty() || random() % 50 == 0) {
      const size_t session = random() % 2;
      model[ledger.Join(sessions[session])] = {session, 0};
      continue;
    }
    auto chosen = std::next(model.begin(), random() % model.size());
    uint64_t session_sum = 0;
    uint64_t sum = 0;
    for (const auto& [holder, entry] : model) {
      sum += entry.second;
      session_sum += entry.first == chosen->second.first ? entry.second : 0;
    }
    switch (random() % 5) {
      case 0:
        ASSERT_EQ(ledger.Return(chosen->first, 0, bytes), bytes <= chosen->second.second);
        chosen->second.second -= bytes <= chosen->second.second ? bytes : 0;
        break;
      case 1:
        if (random() % 20 == 0) {
          ledger.Leave(chosen->first);
          model.erase(chosen);
        }
        break;
      default: {
        const uint64_t limit = chosen->second.first == 0 ? 700 : 400;
        const bool fits = sum + bytes <= 1000 && session_sum + bytes <= limit;
        ASSERT_EQ(ledger.Take(chosen->first, 0, bytes), fits);
        chosen->second.second += fits ? bytes : 0;
        break;
      }
    }
  }
  uint64_t sum = 0;
  for (const auto& [holder, entry] : model) {
    EXPECT_EQ(ledger.held_bytes(holder, 0), entry.second);
    sum += entry.second;
  }
  EXPECT_EQ(ledger.device_bytes(0), sum);
}

TEST(Ledger, TheDefaultLimitLeavesTheDriverItsShare) {
  EXPECT_EQ(DefaultLimit(80_GiB), 80_GiB - 512_MiB);
  EXPECT_EQ(DefaultLimit(256_MiB), 240_MiB);
}

}  // namespace
}  // namespace farlane::server
