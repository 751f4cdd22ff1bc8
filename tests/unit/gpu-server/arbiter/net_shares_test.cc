// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/net_shares.h"

#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

constexpr uint64_t kMega = 1'000'000;
constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kSecondNs = 1'000 * kMs;

SliceRequest Share(double share, Priority priority = Priority::kStandard) {
  SliceRequest slice{};
  slice.share = static_cast<uint32_t>(share * kWholeShare);
  slice.priority = priority;
  return slice;
}

// Workers that move what they want as fast as they are let, on a link of any size.
class VirtualLink {
 public:
  explicit VirtualLink(uint64_t rate) : shares(rate) {}

  // `wants`: bytes a second; kNoRate: ten times the link.
  size_t Add(NetShares::Session session,
             const SliceRequest& slice,
             uint64_t wants,
             uint64_t limit = kNoRate) {
    workers_.push_back({.wants = std::min(wants, kFastest)});
    shares.Enter(workers_.size(), session, slice, limit);
    return workers_.size() - 1;
  }

  void Run(uint64_t for_ns) {
    const uint64_t until_ns = now_ns + for_ns;
    while (now_ns < until_ns) {
      const uint64_t next_ns = std::min({until_ns, shares.NextTime(), now_ns + 20 * kMs});
      const uint64_t span_ns = std::max(next_ns, now_ns + 1) - now_ns;
      now_ns += span_ns;
      for (size_t i = 0; i < workers_.size(); ++i) {
        Move(i, span_ns);
      }
      if (now_ns >= shares.NextTime()) {
        shares.EndSpan(now_ns);
      }
    }
  }

  void Remove(size_t worker) {
    shares.Leave(worker + 1);
    workers_[worker].is_there = false;
  }

  void SetWants(size_t worker, uint64_t wants) { workers_[worker].wants = wants; }

  uint64_t moved(size_t worker) const { return workers_[worker].moved[1].bytes; }

  NetShares shares;
  uint64_t now_ns = kSecondNs;

 private:
  static constexpr uint64_t kFastest = 10'000 * kMega;

  struct Worker {
    uint64_t wants = 0;
    NetShares::BothMoved moved{};
    bool is_there = true;
  };

  void Move(size_t i, uint64_t span_ns) {
    Worker& worker = workers_[i];
    if (!worker.is_there) {
      return;
    }
    const uint64_t rate = shares.RateOf(i + 1, NetDirection::kOut);
    const uint64_t bytes = std::min(rate, worker.wants) * (span_ns / 1000) / 1'000'000;
    worker.moved[1].bytes += bytes;
    worker.moved[1].stops += worker.wants > rate ? 1 : 0;
    shares.Note(i + 1, worker.moved);
  }

  std::vector<Worker> workers_;
};

double PartOf(const VirtualLink& link, const std::vector<uint64_t>& before, size_t worker) {
  uint64_t all = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    all += link.moved(i) - before[i];
  }
  return static_cast<double>(link.moved(worker) - before[worker]) / static_cast<double>(all);
}

TEST(DivideRate, GivesAllAwayByWeightAndNobodyMoreThanItWants) {
  using Rates = std::vector<uint64_t>;
  EXPECT_EQ(DivideRate(400, {{.weight = 3}, {.weight = 1}}), (Rates{300, 100}));
  EXPECT_EQ(DivideRate(400, {{.weight = 3, .wants = 100}, {.weight = 1}}), (Rates{100, 300}));
  EXPECT_EQ(DivideRate(400, {{.weight = 3, .wants = 10}, {.weight = 1, .wants = 20}}),
            (Rates{10, 20}));
  EXPECT_EQ(DivideRate(400, {}), Rates{});
  std::mt19937_64 random(1);
  for (size_t round = 0; round < 20'000; ++round) {
    std::vector<NetClaim> claims;
    bool anybody_wants_all = false;
    for (size_t i = 0; i < 1 + random() % 8; ++i) {
      const uint64_t wants = random() % 3 == 0 ? kNoRate : random() % 1000;
      anybody_wants_all = anybody_wants_all || wants == kNoRate;
      claims.push_back({.weight = 1 + random() % 100, .wants = wants});
    }
    const uint64_t rate = random() % 2000;
    const std::vector<uint64_t> given = DivideRate(rate, claims);
    const uint64_t sum = std::accumulate(given.begin(), given.end(), uint64_t{0});
    ASSERT_LE(sum, rate);
    ASSERT_TRUE(!anybody_wants_all || sum + claims.size() > rate) << "what is left over";
    for (size_t i = 0; i < claims.size(); ++i) {
      ASSERT_LE(given[i], claims[i].wants);
    }
  }
}

TEST(NetShares, WhoWantsMoreThanItsPartHasItByWeight) {
  VirtualLink link(400 * kMega);
  link.Add(1, Share(0.75), kNoRate);
  link.Add(2, Share(0.25), kNoRate);
  link.Run(200 * kMs);
  const std::vector<uint64_t> before = {link.moved(0), link.moved(1)};
  link.Run(5 * kSecondNs);
  EXPECT_NEAR(PartOf(link, before, 0), 0.75, 0.001);
  EXPECT_NEAR(static_cast<double>(link.moved(0) - before[0]), 1500.0 * kMega, 15.0 * kMega);
}

TEST(NetShares, FourOfAKindHaveTheSame) {
  VirtualLink link(400 * kMega);
  for (size_t i = 0; i < 4; ++i) {
    link.Add(i + 1, SliceRequest{}, kNoRate);
  }
  link.Run(200 * kMs);
  const std::vector<uint64_t> before = {link.moved(0), link.moved(1), link.moved(2), link.moved(3)};
  link.Run(5 * kSecondNs);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(PartOf(link, before, i), 0.25, 0.001);
  }
}

TEST(NetShares, WhatOneDoesNotWantTheOthersHave) {
  VirtualLink link(400 * kMega);
  const size_t little = link.Add(1, Share(0.75), 40 * kMega);
  const size_t much = link.Add(2, Share(0.25), kNoRate);
  link.Run(kSecondNs);
  const uint64_t before = link.moved(much);
  const uint64_t little_before = link.moved(little);
  link.Run(kSecondNs);
  EXPECT_NEAR(static_cast<double>(link.moved(little) - little_before), 40.0 * kMega, kMega);
  EXPECT_GT(link.moved(much) - before, 350 * kMega);
}

TEST(NetShares, WhoBeginsToWantMoreHasItsPartAtOnce) {
  VirtualLink link(400 * kMega);
  const size_t first = link.Add(1, Share(0.5), kNoRate);
  const size_t later = link.Add(2, Share(0.5), 10 * kMega);
  link.Run(kSecondNs);
  ASSERT_GT(link.moved(first), 300 * kMega);
  link.SetWants(later, kNoRate);
  const uint64_t before = link.moved(later);
  link.Run(20 * kMs);
  EXPECT_GE(link.moved(later) - before, 39 * kMega / 10) << "though nobody knew";
}

TEST(NetShares, AloneOnTheLinkNobodyIsHeldBack) {
  VirtualLink link(400 * kMega);
  const size_t bulk = link.Add(1, SliceRequest{}, kNoRate);
  EXPECT_EQ(link.shares.NextTime(), UINT64_MAX) << "nor looked at";
  link.Add(2, SliceRequest{}, 100'000);  // small commands
  link.Run(kSecondNs);
  EXPECT_EQ(link.shares.RateOf(bulk + 1, NetDirection::kOut), kNoRate);
  link.Add(3, SliceRequest{}, kNoRate);
  link.Run(kSecondNs);
  EXPECT_NEAR(static_cast<double>(link.shares.RateOf(bulk + 1, NetDirection::kOut)), 200.0 * kMega,
              2.0 * kMega);
  link.Remove(2);
  link.Run(kSecondNs);
  EXPECT_EQ(link.shares.RateOf(bulk + 1, NetDirection::kOut), kNoRate);
}

TEST(NetShares, ACapHoldsAloneAndBesideOthers) {
  VirtualLink link(kNoRate);
  link.Add(1, SliceRequest{}, kNoRate, 50 * kMega);
  link.Run(kSecondNs);
  EXPECT_EQ(link.shares.RateOf(1, NetDirection::kIn), 50 * kMega);
  VirtualLink shared(400 * kMega);
  const size_t capped = shared.Add(1, SliceRequest{}, kNoRate, 50 * kMega);
  const size_t other = shared.Add(2, SliceRequest{}, kNoRate);
  shared.Run(kSecondNs);
  const uint64_t before = shared.moved(capped);
  const uint64_t other_before = shared.moved(other);
  shared.Run(kSecondNs);
  EXPECT_NEAR(static_cast<double>(shared.moved(capped) - before), 50.0 * kMega, kMega);
  EXPECT_NEAR(static_cast<double>(shared.moved(other) - other_before), 350.0 * kMega, 4.0 * kMega);
}

TEST(NetShares, ProcessesOfASessionDivideWhatIsItsOwn) {
  VirtualLink link(400 * kMega);
  link.Add(1, SliceRequest{}, kNoRate);
  link.Add(1, SliceRequest{}, kNoRate);
  link.Add(2, SliceRequest{}, kNoRate);
  link.Run(kSecondNs);
  EXPECT_NEAR(static_cast<double>(link.shares.RateOf(1, NetDirection::kOut)), 100.0 * kMega, kMega);
  EXPECT_NEAR(static_cast<double>(link.shares.RateOf(3, NetDirection::kOut)), 200.0 * kMega, kMega);
  EXPECT_EQ(link.shares.MovedBy(1, NetDirection::kOut), link.moved(0) + link.moved(1));
}

TEST(NetShares, BestEffortHasLittleWhereOthersWantAll) {
  VirtualLink link(400 * kMega);
  link.Add(1, SliceRequest{}, kNoRate);
  link.Add(2, Share(0, Priority::kBestEffort), kNoRate);
  link.Run(kSecondNs);
  EXPECT_NEAR(static_cast<double>(link.shares.RateOf(2, NetDirection::kOut)), 400.0 / 21 * kMega,
              kMega);
}

TEST(NetShares, OtherNumbersHoldAtOnce) {
  VirtualLink link(400 * kMega);
  link.Add(1, Share(0.5), kNoRate);
  link.Add(2, Share(0.5), kNoRate);
  link.Run(kSecondNs);
  link.shares.Resize(2, Share(0.3), kNoRate);
  link.shares.Resize(1, Share(0.1), kNoRate);
  EXPECT_NEAR(static_cast<double>(link.shares.RateOf(1, NetDirection::kOut)), 100.0 * kMega, kMega);
  link.shares.Resize(2, Share(0.3), 30 * kMega);
  EXPECT_EQ(link.shares.RateOf(2, NetDirection::kOut), 30 * kMega);
}

TEST(NetShares, ALieCostsNobodyElseAnything) {
  VirtualLink link(400 * kMega);
  link.Add(1, SliceRequest{}, kNoRate);
  link.Add(2, SliceRequest{}, kNoRate);
  link.Run(kSecondNs);
  link.shares.Note(2, {NetShares::Moved{.bytes = UINT64_MAX, .stops = 0},
                       NetShares::Moved{.bytes = UINT64_MAX, .stops = 7}});
  link.shares.EndSpan(link.now_ns + 20 * kMs);
  EXPECT_GE(link.shares.RateOf(1, NetDirection::kOut), 199 * kMega);
  EXPECT_LE(link.shares.RateOf(2, NetDirection::kOut), 201 * kMega);
}

}  // namespace
}  // namespace farlane::server
