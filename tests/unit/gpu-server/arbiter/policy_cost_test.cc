// SPDX-License-Identifier: Apache-2.0
// What a decision costs: asked for directly, of the built-in policy behind the C interface as the
// daemon asks it, and of a plug-in, whose time is taken as well.
#include <algorithm>
#include <cstdio>

#include <gtest/gtest.h>

#include "gpu-server/arbiter/policy_library.h"
#include "gpu-server/arbiter/policy_seat.h"
#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

constexpr size_t kRounds = 51;
constexpr size_t kCalls = 200;
// What is promised of 64 sessions, with room for a build that checks everything, on a busy machine.
constexpr double kNsMax = 20'000 * 5;

std::vector<SessionView> Sessions(size_t count) {
  std::vector<SessionView> sessions;
  for (size_t i = 0; i < count; ++i) {
    sessions.push_back({.weight = kWholeShare / count,
                        .virtual_ns = static_cast<int64_t>((i * 7919) % 1'000'000),
                        .wants = true,
                        .session = i + 1,
                        .waits_ns = i * 1000});
  }
  return sessions;
}

// Half of the rounds take no longer, of one call.
template <typename Call>
double NsOf(Call&& call) {
  std::vector<double> rounds;
  for (size_t round = 0; round < kRounds; ++round) {
    const uint64_t began_ns = NowNs();
    for (size_t i = 0; i < kCalls; ++i) {
      call();
    }
    rounds.push_back(static_cast<double>(NowNs() - began_ns) / kCalls);
  }
  std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
  return rounds[kRounds / 2];
}

TEST(PolicyCost, OfADecision) {
  for (const size_t count : {2, 8, 64}) {
    const std::vector<SessionView> sessions = Sessions(count);
    const GpuView view{.sessions = sessions, .holder = 0, .turn_is_over = true};
    uint64_t sum = 0;  // so that nothing is left out
    const double direct_ns = NsOf([&] { sum += Decide(view).credit_ns; });
    PolicySeat built_in;
    const double seat_ns = NsOf([&] { sum += built_in.Decide(view).credit_ns; });
    PolicySeat plug_in = LoadPolicy("strict", PROGRAM_FOLDER).value();
    const double plug_in_ns = NsOf([&] { sum += plug_in.Decide(view).credit_ns; });
    printf("%zu sessions: %.0f ns directly, %.0f ns built in, %.0f ns as a plug-in\n", count,
           direct_ns, seat_ns, plug_in_ns);
    EXPECT_NE(sum, 0u);
    EXPECT_LT(seat_ns, kNsMax);
    EXPECT_LT(plug_in_ns, kNsMax);
  }
}

}  // namespace
}  // namespace farlane::server
