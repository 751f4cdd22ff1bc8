// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/lockstep.h"

#include <string>

#include <gtest/gtest.h>

#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::jit {
namespace {

// The places of the turns in a kernel of these instructions, as a row of digits and dots.
std::string TurnsOf(const std::string& instructions, Exchanges exchanges) {
  const std::string text =
      ".version 9.0\n.target sm_75\n.address_size 64\n.shared .b32 room[64];\n"
      ".visible .entry k() {\n.reg .b32 %r<4>;\n.reg .pred %p<2>;\n" +
      instructions + "\n}\n";
  Result<ptx::Module> module = ptx::ParseModule(text);
  EXPECT_TRUE(module.ok());
  Result<ptx::Body> body = ptx::ParseBody(module.value(), module.value().functions[0]);
  EXPECT_TRUE(body.ok());
  std::string row;
  for (const bool is_turn : FindTurns(body.value(), exchanges)) {
    row += is_turn ? 't' : '.';
  }
  return row;
}

const std::string kLoad = "ld.shared.u32 %r1, [room];\n";
const std::string kStore = "st.shared.u32 [room], %r1;\n";
const std::string kBarrier = "bar.sync 0;\n";

TEST(Lockstep, TurnsFromStoringToLoadingAndBack) {
  EXPECT_EQ(TurnsOf(kLoad + kLoad + kStore + kStore + kLoad, Exchanges::kAll), "..t.t");
}

TEST(Lockstep, NeedsNoTurnAfterABarrier) {
  EXPECT_EQ(TurnsOf(kStore + kBarrier + kLoad + kStore, Exchanges::kAll), "...t");
}

TEST(Lockstep, HasNoTurnsWhereNothingIsExchanged) {
  EXPECT_EQ(TurnsOf(kStore + kStore, Exchanges::kAll), "..");
  EXPECT_EQ(TurnsOf(kLoad + kLoad, Exchanges::kAll), "..");
  EXPECT_EQ(TurnsOf("st.global.u32 [0], %r1;\nld.global.u32 %r1, [0];", Exchanges::kAll), "..");
}

TEST(Lockstep, LooksAtVolatileAccessesOnlyWhereThereAreBarriers) {
  EXPECT_EQ(TurnsOf(kStore + kLoad, Exchanges::kVolatile), "..");
  EXPECT_EQ(TurnsOf("st.volatile.shared.u32 [room], %r1;\nld.volatile.shared.u32 %r1, [room];",
                    Exchanges::kVolatile),
            ".t");
}

TEST(Lockstep, TurnsAtTheHeadOfALoopThatStoresLast) {
  EXPECT_EQ(TurnsOf("L:\n" + kLoad + kStore + "@%p1 bra L;", Exchanges::kAll), "tt.");
}

TEST(Lockstep, TurnsWhereWaysJoin) {
  EXPECT_EQ(TurnsOf(kLoad + "@%p1 bra L;\n" + kStore + "L:\n" + kStore, Exchanges::kAll), "..tt");
}

}  // namespace
}  // namespace farlane::soft::jit
