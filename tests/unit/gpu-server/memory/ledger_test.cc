// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/ledger.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "protocol/base/bytes.h"

namespace farlane::server {
namespace {

TEST(Ledger, RefusesWhatWouldPassTheLimit) {
  Ledger ledger({{.total_bytes = 100, .limit_bytes = 80}});

  const auto first = ledger.Reserve(0, 50);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(ledger.Reserve(0, 31).has_value());
  const auto rest = ledger.Reserve(0, 30);

  EXPECT_TRUE(rest.has_value());
  EXPECT_EQ(ledger.free_bytes(0), 0u);
}

TEST(Ledger, ASizeNearTheEndOfNumbersDoesNotWrapAround) {
  Ledger ledger({{.total_bytes = 100, .limit_bytes = 100}});
  const auto held = ledger.Reserve(0, 10);

  EXPECT_FALSE(ledger.Reserve(0, UINT64_MAX).has_value());
  EXPECT_FALSE(ledger.Reserve(0, UINT64_MAX - 5).has_value());
  EXPECT_EQ(ledger.free_bytes(0), 90u);
}

TEST(Ledger, AReservationGivesBackWhatItHolds) {
  Ledger ledger({{.total_bytes = 100, .limit_bytes = 100}});
  {
    auto held = ledger.Reserve(0, 60);
    EXPECT_EQ(ledger.free_bytes(0), 40u);
    held->ShrinkTo(20);
    EXPECT_EQ(ledger.free_bytes(0), 80u);
  }
  EXPECT_EQ(ledger.free_bytes(0), 100u);
}

TEST(Ledger, AbsorbingMovesBytesWithoutCountingThemTwice) {
  Ledger ledger({{.total_bytes = 100, .limit_bytes = 100}});
  Reservation all;
  all.Absorb(*ledger.Reserve(0, 30));
  all.Absorb(*ledger.Reserve(0, 40));

  EXPECT_EQ(all.bytes(), 70u);
  EXPECT_EQ(ledger.free_bytes(0), 30u);
}

TEST(Ledger, DevicesAreCountedApart) {
  Ledger ledger(
      {{.total_bytes = 100, .limit_bytes = 100}, {.total_bytes = 100, .limit_bytes = 100}});
  const auto held = ledger.Reserve(0, 100);

  EXPECT_EQ(ledger.free_bytes(0), 0u);
  EXPECT_EQ(ledger.free_bytes(1), 100u);
}

TEST(Ledger, NeverPassesTheLimitWhoeverAsksAtOnce) {
  Ledger ledger({{.total_bytes = 1000, .limit_bytes = 1000}});
  std::atomic<uint64_t> held_bytes{0};
  std::atomic<uint64_t> most_bytes{0};
  const auto ask = [&] {
    for (int i = 0; i < 20'000; ++i) {
      const auto held = ledger.Reserve(0, 300);
      if (held.has_value()) {
        const uint64_t now = held_bytes.fetch_add(300) + 300;
        uint64_t most = most_bytes.load();
        while (most < now && !most_bytes.compare_exchange_weak(most, now)) {
        }
        held_bytes.fetch_sub(300);
      }
    }
  };

  std::thread others[] = {std::thread(ask), std::thread(ask), std::thread(ask)};
  ask();
  for (std::thread& other : others) {
    other.join();
  }

  EXPECT_LE(most_bytes.load(), 1000u);
  EXPECT_EQ(ledger.free_bytes(0), 1000u);
}

TEST(Ledger, TheDefaultLimitLeavesTheDriverItsShare) {
  EXPECT_EQ(DefaultLimit(80_GiB), 80_GiB - 512_MiB);
  EXPECT_EQ(DefaultLimit(256_MiB), 240_MiB);
}

}  // namespace
}  // namespace farlane::server
