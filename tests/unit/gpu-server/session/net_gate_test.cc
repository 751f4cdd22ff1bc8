// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/net_gate.h"

#include <gtest/gtest.h>

#include "gpu-server/session/paced_stream.h"
#include "protocol/base/clock.h"
#include "tests/support/memory_stream.h"

namespace farlane::server {
namespace {

constexpr uint64_t kMega = 1'000'000;
constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecondNs = 1'000 * kMs;
constexpr NetDirection kOut = NetDirection::kOut;

// The daemon's pages, and a gate that has been given them.
class NetGateTest : public ::testing::Test {
 protected:
  NetGateTest() {
    SetRate(kNoRate);
    gate_.Attach(TurnMemory::Take(grants_.descriptor(), 1, false).value(),
                 TurnMemory::Take(uses_.descriptor(), 1, true).value());
  }

  void SetRate(uint64_t rate) {
    grants_.net_grant().rates[0] = rate;
    grants_.net_grant().rates[1] = rate;
  }

  // What is moved by somebody who always has more, in pieces of so many bytes.
  uint64_t MoveAll(uint64_t for_ns, size_t piece, uint64_t late_ns = 0) {
    uint64_t moved = 0;
    const uint64_t until_ns = now_ns_ + for_ns;
    while (now_ns_ < until_ns) {
      const size_t allowed = gate_.Allow(kOut, piece, now_ns_);
      gate_.NoteMoved(kOut, allowed);
      moved += allowed;
      now_ns_ = allowed != 0 ? now_ns_ + 10'000 : gate_.BlockedUntil(kOut) + late_ns;
    }
    return moved;
  }

  const TurnMemory grants_ = TurnMemory::Make(1, false).value();
  const TurnMemory uses_ = TurnMemory::Make(1, true).value();
  NetGate gate_;
  uint64_t now_ns_ = kSecondNs;
};

TEST_F(NetGateTest, WhatTheClientIsLikeStandsInThePage) {
  gate_.NoteTalk(7, 300'000, 1 << 20);
  gate_.NoteBusy(5 * kMs);
  const NetUseSlot& use = uses_.net_use();
  EXPECT_EQ(use.trips, 7u);
  EXPECT_EQ(use.rtt_ns, 300'000u);
  EXPECT_EQ(use.talked, 1u << 20);
  EXPECT_EQ(use.busy_ns, 5 * kMs);
  gate_.Detach();
  gate_.NoteTalk(8, 1, 1);  // nobody looks any more
  EXPECT_EQ(use.trips, 7u);
}

TEST_F(NetGateTest, ARateHoldsToAHundredth) {
  for (const uint64_t rate : {10 * kMega, 100 * kMega, 400 * kMega, 2'000 * kMega}) {
    for (const size_t piece : {size_t{64} << 10, size_t{256} << 10, size_t{1} << 20}) {
      SetRate(rate);
      const uint64_t moved = MoveAll(5 * kSecondNs, piece);
      EXPECT_NEAR(static_cast<double>(moved), 5.0 * static_cast<double>(rate),
                  0.01 * 5 * static_cast<double>(rate))
          << rate << " in pieces of " << piece;
    }
  }
}

TEST_F(NetGateTest, WhoWakesUpLateCatchesUp) {
  SetRate(100 * kMega);
  const uint64_t moved = MoveAll(5 * kSecondNs, 256 << 10, 15 * kMs);
  EXPECT_NEAR(static_cast<double>(moved), 500.0 * kMega, 10.0 * kMega);
}

TEST_F(NetGateTest, LittleIsNotHeldBack) {
  SetRate(kMega);
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(gate_.Allow(kOut, 500, now_ns_), 500u);
    gate_.NoteMoved(kOut, 500);
    now_ns_ += kMs;
  }
  EXPECT_EQ(uses_.net_use().bytes[1], 500'000u);
  EXPECT_EQ(uses_.net_use().stops[1], 0u);
}

TEST_F(NetGateTest, SaysWhatWasMovedAndThatThereWasMore) {
  SetRate(10 * kMega);
  const uint64_t moved = MoveAll(kSecondNs, 64 << 10);
  EXPECT_EQ(uses_.net_use().bytes[1], moved);
  EXPECT_GT(uses_.net_use().stops[1], 100u);
  EXPECT_EQ(uses_.net_use().bytes[0], 0u) << "the other direction";
}

TEST_F(NetGateTest, WithoutARateOrADaemonNobodyIsHeldBack) {
  EXPECT_FALSE(gate_.has_rate(kOut));
  EXPECT_EQ(gate_.Allow(kOut, 1 << 30, now_ns_), size_t{1} << 30);
  gate_.NoteMoved(kOut, 1 << 30);
  SetRate(kMega);
  EXPECT_TRUE(gate_.has_rate(kOut));
  EXPECT_GT(gate_.Allow(kOut, 1 << 20, now_ns_), 0u) << "what was moved before costs nothing";
  gate_.Detach();
  EXPECT_FALSE(gate_.has_rate(kOut));
  EXPECT_EQ(gate_.Allow(kOut, 1 << 30, now_ns_), size_t{1} << 30);
}

TEST_F(NetGateTest, AnotherRateHoldsWithinTwentyMilliseconds) {
  SetRate(64 << 10);
  while (gate_.Allow(kOut, 1 << 20, now_ns_) != 0) {
    gate_.NoteMoved(kOut, 1 << 20);
  }
  EXPECT_LE(gate_.BlockedUntil(kOut), now_ns_ + NetGate::kLookAgainNs);
}

TEST_F(NetGateTest, AStreamMovesNoMoreThanItIsAllowed) {
  farlane::testing::MemoryStream stream;
  PacedStream paced(stream, gate_);
  std::vector<std::byte> data(4 << 20);
  const iovec parts[] = {{.iov_base = data.data(), .iov_len = data.size() / 2},
                         {.iov_base = data.data() + data.size() / 2, .iov_len = data.size() / 2}};
  EXPECT_EQ(paced.Write(parts).value(), data.size()) << "without a rate";
  SetRate(kMega);
  size_t moved = 0;
  size_t more = 0;
  while ((more = paced.Write(parts).value()) != 0) {
    moved += more;
  }
  EXPECT_LE(moved, NetGate::kBurstBytesMin + NetGate::kPieceBytesMin + (64 << 10));
  EXPECT_GT(moved, NetGate::kBurstBytesMin / 2);
  // What is held back is not what to poll for.
  EXPECT_TRUE(paced.BeginWait(transport::Interest::kReadOrWrite));
  EXPECT_EQ(paced.WaitEvents(transport::Interest::kReadOrWrite), POLLIN);
  EXPECT_LE(paced.WaitUntil(transport::Interest::kReadOrWrite), NowNs() + NetGate::kLookAgainNs);
  paced.EndWait(transport::Interest::kReadOrWrite);
}

}  // namespace
}  // namespace farlane::server
