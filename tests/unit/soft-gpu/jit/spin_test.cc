// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/spin.h"

#include <string>

#include <gtest/gtest.h>

#include "soft-gpu/ptx/parser.h"
#include "tests/unit/soft-gpu/jit/kernel_run.h"

namespace farlane::soft {
namespace {

// Whether the loop of these instructions, with `again` as its head, counts as one that waits.
bool Waits(const std::string& before, const std::string& inside) {
  const std::string text = KernelOf(before + "again:\n" + inside + "  @%p1 bra again;\n");
  const Result<ptx::Module> module = ptx::ParseModule(text);
  EXPECT_TRUE(module.ok()) << module.error().message();
  const Result<ptx::Body> body = ptx::ParseBody(*module, module->functions[0]);
  EXPECT_TRUE(body.ok()) << body.error().message();
  const std::vector<bool> spins = jit::FindSpins(*body);
  return std::find(spins.begin(), spins.end(), true) != spins.end();
}

const std::string kUntilNotZero = "  setp.eq.u32 %p1, %r1, 0;\n";

TEST(Spins, AreLoopsUntilAnAtomicThatChangesNothingBringsSomethingElse) {
  EXPECT_TRUE(Waits("", "  atom.global.add.u32 %r1, [%in], 0;\n" + kUntilNotZero));
  EXPECT_TRUE(Waits("", "  atom.global.or.b32 %r1, [%in], 0;\n" + kUntilNotZero));
  EXPECT_TRUE(Waits("", "  atom.global.max.u32 %r1, [%in], 0;\n" + kUntilNotZero));
  EXPECT_TRUE(Waits("", "  atom.global.and.b32 %r1, [%in], -1;\n" + kUntilNotZero));
  EXPECT_TRUE(
      Waits("  mov.u32 %r2, 0;\n", "  atom.global.add.u32 %r1, [%in], %r2;\n" + kUntilNotZero));
}

TEST(Spins, AreTakenSoThroughWhatIsComputedFromTheAnswer) {
  EXPECT_TRUE(Waits("",
                    "  atom.global.or.b32 %r3, [%in], 1;\n  and.b32 %r2, %r3, 1;\n"
                    "  mov.u32 %r1, %r2;\n" +
                        kUntilNotZero));
}

TEST(Spins, AreNoLoopsThatGetOnWithEachAnswer) {
  // A queue of work: each turn takes the next piece.
  EXPECT_FALSE(Waits("", "  atom.global.add.u32 %r1, [%in], 1;\n  setp.lt.u32 %p1, %r1, 100;\n"));
  EXPECT_FALSE(Waits("  mov.u32 %r2, 1;\n",
                     "  atom.global.add.u32 %r1, [%in], %r2;\n  setp.lt.u32 %p1, %r1, 100;\n"));
}

TEST(Spins, AreNoLoopsThatAnAnswerDoesNotEnd) {
  const std::string counted = "  add.u32 %r2, %r2, 1;\n  setp.lt.u32 %p1, %r2, 100;\n";
  EXPECT_FALSE(Waits("", "  atom.global.max.u32 %r1, [%in], %r2;\n" + counted));
  EXPECT_FALSE(Waits("",
                     "  atom.global.max.u32 %r1, [%in], %r2;\n  setp.gt.u32 %p2, %r1, %r2;\n"
                     "  @%p2 bra further;\n  add.u32 %r3, %r3, 1;\nfurther:\n" +
                         counted));
}

class SpinningThread : public testing::TestWithParam<const char*> {};

// The first thread waits for the last, which runs after it.
TEST_P(SpinningThread, LetsTheOneItWaitsForRun) {
  const std::string body =
      "  setp.ne.u32 %p2, %t, 0;\n  @%p2 bra others;\nagain:\n  " + std::string(GetParam()) +
      ";\n  setp.ne.u32 %p1, %r1, 7;\n  @%p1 bra again;\n  st.global.u32 [%my], %r1;\n  ret;\n"
      "others:\n  setp.ne.u32 %p2, %t, 63;\n  @%p2 bra done;\n  st.global.u32 [%in], 7;\ndone:\n";

  const std::vector<uint32_t> out = RunThreads(KernelOf(body), 64);

  ASSERT_FALSE(out.empty());
  EXPECT_EQ(out[0], 7u);
}

INSTANTIATE_TEST_SUITE_P(Isa,
                         SpinningThread,
                         testing::Values("atom.global.add.u32 %r1, [%in], 0",
                                         "atom.global.or.b32 %r1, [%in], 0",
                                         "atom.global.max.u32 %r1, [%in], 0",
                                         "atom.global.cas.b32 %r1, [%in], 0, 0",
                                         "ld.volatile.global.u32 %r1, [%in]"));

}  // namespace
}  // namespace farlane::soft
