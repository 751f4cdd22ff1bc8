// SPDX-License-Identifier: Apache-2.0
// Atomic operations on halves, vectors and 128 bits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/jit/kernel_run.h"

namespace farlane::soft {
namespace {

using testing::ElementsAre;

TEST(Atomic, AddsHalvesOneAtATimeAndTwoAtATime) {
  // 1.0 from each of 32 threads: 32.0. A neighbour of a lone half stays as it is.
  std::vector<uint32_t> memory = {0xabcd0000, 0, 0, 0x40003c00};
  RunThreads(KernelOf("  mov.b16 %h1, 0x3c00;\n  mov.b32 %r1, 0x3c003c00;\n"
                      "  mov.b16 %h2, 0x3f80;\n  mov.b32 %r2, 0x3f803f80;\n"
                      "  red.global.add.noftz.f16 [%in], %h1;\n"
                      "  red.add.noftz.f16x2 [%in+4], %r1;\n"
                      "  atom.global.add.noftz.bf16x2 %r3, [%in+8], %r2;\n"
                      "  atom.global.max.noftz.f16x2 %r3, [%in+12], 0x3c004200;\n"),
             32, &memory);

  EXPECT_THAT(memory, ElementsAre(0xabcd5000, 0x50005000, 0x42004200, 0x40004200));
}

TEST(Atomic, AddsHalvesInSharedMemory) {
  const std::vector<uint32_t> out =
      RunThreads(KernelOf("  mov.b32 %r1, 0x3c003c00;\n  mov.u32 %r2, sum;\n"
                          "  setp.eq.u32 %p1, %t, 0;\n  @%p1 st.shared.u32 [%r2], 0;\n"
                          "  bar.sync 0;\n  red.shared.add.noftz.f16x2 [%r2], %r1;\n"
                          "  bar.sync 0;\n  ld.shared.u32 %r3, [%r2];\n"
                          "  st.global.u32 [%my], %r3;\n",
                          ".shared .align 4 .b8 sum[4];\n"),
                 64);

  ASSERT_EQ(out.size(), 64u * 8);
  EXPECT_EQ(out[0], 0x54005400u);  // 64.0 twice
}

TEST(Atomic, AddsVectorsElementByElement) {
  std::vector<uint32_t> memory(8, 0);
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  mov.f32 %f1, 0f3f800000;\n  mov.f32 %f2, 0f40000000;\n"
               "  red.global.add.v2.f32 [%in], {%f1, %f2};\n"
               "  atom.global.add.v4.f32 {%f3, %f4, %f5, %f6}, [%in+16], {%f1, %f2, %f1, %f2};\n"
               "  st.global.v4.f32 [%my], {%f3, %f4, %f5, %f6};\n"),
      4, &memory);

  EXPECT_THAT(memory, ElementsAre(0x40800000, 0x41000000, 0, 0, 0x40800000, 0x41000000, 0x40800000,
                                  0x41000000));
  ASSERT_EQ(out.size(), 32u);
  EXPECT_EQ(out[3 * 8], 0x40400000u);  // the last one found 3.0
}

TEST(Atomic, SwapsAndComparesSixteenBytes) {
  std::vector<uint32_t> memory = {1, 2, 3, 4};
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  mov.b64 %d2, 0x0000000200000001;\n  mov.b64 %d3, 0x0000000400000003;\n"
               "  mov.b128 %q1, {%d2, %d3};\n  mov.b64 %d4, 77;\n  mov.b128 %q2, {%d4, %d3};\n"
               "  atom.global.cas.b128 %q3, [%in], %q1, %q2;\n"
               "  atom.global.cas.b128 %q3, [%in], %q1, %q1;\n"
               "  mov.b128 {%d5, %d6}, %q3;\n  st.global.b64 [%my], %d5;\n"
               "  atom.global.exch.b128 %q4, [%in], %q1;\n"
               "  mov.b128 {%d5, %d6}, %q4;\n  st.global.b64 [%my+8], %d5;\n"),
      1, &memory);

  ASSERT_EQ(out.size(), 8u);
  EXPECT_EQ(out[0], 77u);  // the second comparison failed and found what the first had put there
  EXPECT_EQ(out[2], 77u);
  EXPECT_THAT(memory, ElementsAre(1, 2, 3, 4));
}

}  // namespace
}  // namespace farlane::soft
