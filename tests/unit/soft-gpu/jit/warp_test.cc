// SPDX-License-Identifier: Apache-2.0
// What the lanes of a warp find out about each other.
#include <bit>
#include <cmath>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/jit/kernel_run.h"

namespace farlane::soft {
namespace {

// out[0] of each thread.
std::vector<uint32_t> FirstWords(const std::string& body, uint32_t threads) {
  const std::vector<uint32_t> out = RunThreads(KernelOf(body), threads);
  std::vector<uint32_t> first;
  for (size_t i = 0; i < out.size(); i += 8) {
    first.push_back(out[i]);
  }
  return first;
}

TEST(Activemask, HoldsAllLanesThatCome) {
  const std::vector<uint32_t> masks =
      FirstWords("  activemask.b32 %r1;\n  st.global.u32 [%my], %r1;\n", 40);

  ASSERT_EQ(masks.size(), 40u);
  EXPECT_EQ(masks[0], 0xffffffffu);
  EXPECT_EQ(masks[31], 0xffffffffu);
  EXPECT_EQ(masks[32], 0xffu);  // the last warp has eight lanes
}

TEST(Activemask, HoldsTheLanesOfOneSideOfABranch) {
  const std::vector<uint32_t> masks = FirstWords(
      "  and.b32 %r2, %t, 3;\n  setp.eq.u32 %p1, %r2, 0;\n  @%p1 bra one;\n"
      "  activemask.b32 %r1;\n  bra both;\none:\n  activemask.b32 %r1;\nboth:\n"
      "  st.global.u32 [%my], %r1;\n",
      32);

  ASSERT_EQ(masks.size(), 32u);
  EXPECT_EQ(masks[0], 0x11111111u);
  EXPECT_EQ(masks[1], 0xeeeeeeeeu);
}

TEST(Activemask, DoesNotWaitForLanesThatHaveEndedOrWaitElsewhere) {
  const std::vector<uint32_t> masks = FirstWords(
      "  setp.lt.u32 %p1, %t, 4;\n  @%p1 exit;\n  setp.lt.u32 %p2, %t, 8;\n  @%p2 bra meet;\n"
      "  activemask.b32 %r1;\n  st.global.u32 [%my], %r1;\nmeet:\n  bar.sync 0;\n",
      32);

  ASSERT_EQ(masks.size(), 32u);
  EXPECT_EQ(masks[8], 0xffffff00u);
}

// One lane turns until another, which waits in activemask, has gone on.
TEST(Activemask, DoesNotWaitForALaneThatWaitsForIt) {
  const std::vector<uint32_t> masks = FirstWords(
      "  setp.eq.u32 %p1, %t, 0;\n  @%p1 bra turn;\n  activemask.b32 %r1;\n"
      "  st.global.u32 [%my], %r1;\n  st.volatile.global.u32 [%in], 1;\n  bra done;\n"
      "turn:\n  ld.volatile.global.u32 %r2, [%in];\n  setp.eq.u32 %p2, %r2, 0;\n"
      "  @%p2 bra turn;\ndone:\n",
      4);

  ASSERT_EQ(masks.size(), 4u);
  EXPECT_EQ(masks[1], 0xeu);
}

// The sum over groups of lanes that have met by chance: each group has one that adds for all.
TEST(Activemask, IsWhatWarpAggregationNeeds) {
  std::vector<uint32_t> memory(1, 0);
  RunThreads(KernelOf("  and.b32 %r2, %t, 1;\n  setp.eq.u32 %p1, %r2, 0;\n  @%p1 bra done;\n"
                      "  activemask.b32 %r1;\n  popc.b32 %r3, %r1;\n  mov.u32 %r4, %lanemask_lt;\n"
                      "  and.b32 %r4, %r4, %r1;\n  setp.ne.u32 %p2, %r4, 0;\n"
                      "  @%p2 bra done;\n  red.global.add.u32 [%in], %r3;\ndone:\n"),
             256, &memory);

  EXPECT_EQ(memory[0], 128u);
}

uint32_t Reduced(const std::string& instruction, const std::vector<float>& values) {
  std::vector<uint32_t> memory;
  for (const float value : values) {
    memory.push_back(std::bit_cast<uint32_t>(value));
  }
  const std::vector<uint32_t> out =
      RunThreads(KernelOf("  mul.wide.u32 %d2, %t, 4;\n  add.u64 %d2, %in, %d2;\n"
                          "  ld.global.f32 %f1, [%d2];\n  " +
                          instruction + " %f2, %f1, " + std::to_string((1u << values.size()) - 1) +
                          ";\n  st.global.f32 [%my], %f2;\n"),
                 static_cast<uint32_t>(values.size()), &memory);
  return out.empty() ? 0 : out[0];
}

TEST(Redux, FindsTheExtremesOfFloats) {
  const std::vector<float> values = {1.5f, -7.0f, NAN, 3.0f, -0.0f};

  EXPECT_EQ(Reduced("redux.sync.min.f32", values), std::bit_cast<uint32_t>(-7.0f));
  EXPECT_EQ(Reduced("redux.sync.max.f32", values), std::bit_cast<uint32_t>(3.0f));
  EXPECT_EQ(Reduced("redux.sync.max.abs.f32", values), std::bit_cast<uint32_t>(7.0f));
  EXPECT_EQ(Reduced("redux.sync.min.abs.f32", values), 0u);
  EXPECT_EQ(Reduced("redux.sync.min.NaN.f32", values), 0x7fffffffu);
  EXPECT_EQ(Reduced("redux.sync.max.f32", {NAN, NAN}), 0x7fffffffu);
  EXPECT_EQ(Reduced("redux.sync.min.f32", {0.0f, -0.0f}), 0x80000000u);
}

}  // namespace
}  // namespace farlane::soft
