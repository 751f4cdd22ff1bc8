// SPDX-License-Identifier: Apache-2.0
// Asynchronous copies, mbarrier objects, clusters of one block, and hints that change nothing.
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/jit/kernel_run.h"

namespace farlane::soft {
namespace {

constexpr const char* kShared = ".shared .align 16 .b8 tile[4096];\n.shared .align 8 .b64 bar;\n";

TEST(CpAsync, IsDoneWhenItIsWaitedFor) {
  std::vector<uint32_t> memory = {10, 11, 12, 13, 14, 15, 16, 17};
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  mov.u32 %r1, tile;\n  cp.async.cg.shared.global [%r1], [%in], 16;\n"
               "  cp.async.ca.shared.global [%r1+16], [%in+16], 8, 4;\n"
               "  setp.eq.u32 %p1, 0, 0;\n  mov.u32 %r2, -1;\n  st.shared.u32 [%r1+24], %r2;\n"
               // An ignored source need not even be an address.
               "  mov.u64 %d2, 8;\n  cp.async.ca.shared.global [%r1+24], [%d2], 4, %p1;\n"
               "  cp.async.commit_group;\n  cp.async.wait_group 0;\n  cp.async.wait_all;\n"
               "  ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [%r1];\n"
               "  st.global.v4.u32 [%my], {%r3, %r4, %r5, %r6};\n"
               "  ld.shared.v4.u32 {%r3, %r4, %r5, %r6}, [%r1+16];\n"
               "  st.global.v4.u32 [%my+16], {%r3, %r4, %r5, %r6};\n",
               kShared),
      1, &memory);

  EXPECT_EQ(out, (std::vector<uint32_t>{10, 11, 12, 13, 14, 0, 0, 0}));
}

TEST(CpAsync, OutsideOfDeviceMemoryIsAFault) {
  const std::unique_ptr<Program> program =
      LoadOrFail(KernelOf("  mov.u64 %d2, 4096;\n  mov.u32 %r1, tile;\n"
                          "  cp.async.ca.shared.global [%r1], [%d2], 8, 4;\n",
                          kShared));
  ASSERT_NE(program, nullptr);

  const LaunchOutcome outcome =
      program->Launch(0, {}, Parameters().Add(uint64_t{0}).Add(uint64_t{0}).bytes());

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
}

TEST(CpAsyncBulk, CountsItsBytesAtAnMbarrier) {
  std::vector<uint32_t> memory(64);
  for (uint32_t i = 0; i < 64; ++i) {
    memory[i] = i * 3;
  }
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  mov.u32 %r1, tile;\n  mov.u32 %r2, bar;\n  mbarrier.init.shared.b64 [%r2], 1;\n"
               "  mbarrier.arrive.expect_tx.shared.b64 %d2, [%r2], 256;\n"
               "  mbarrier.test_wait.shared.b64 %p1, [%r2], %d2;\n  selp.u32 %r3, 1, 0, %p1;\n"
               "  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%in], "
               "256, [%r2];\n"
               "  mbarrier.try_wait.shared.b64 %p1, [%r2], %d2;\n  selp.u32 %r4, 1, 0, %p1;\n"
               "  ld.shared.u32 %r5, [%r1+252];\n  st.global.v2.u32 [%my], {%r3, %r4};\n"
               "  st.global.u32 [%my+8], %r5;\n",
               kShared),
      1, &memory);

  ASSERT_EQ(out.size(), 8u);
  EXPECT_EQ(out[0], 0u);
  EXPECT_EQ(out[1], 1u);
  EXPECT_EQ(out[2], 189u);
}

// 64 threads write, arrive, wait for the phase and read what another wrote; twice.
TEST(Mbarrier, KeepsThreadsUntilAllOfThemHaveArrived) {
  std::string body =
      "  mov.u32 %r1, tile;\n  mov.u32 %r2, bar;\n  setp.eq.u32 %p1, %t, 0;\n"
      "  @%p1 mbarrier.init.shared.b64 [%r2], 64;\n  bar.sync 0;\n  mov.u32 %r7, 0;\n";
  for (int phase = 0; phase < 2; ++phase) {
    const std::string n = std::to_string(phase);
    body += "  shl.b32 %r3, %t, 2;\n  add.u32 %r3, %r3, %r1;\n  add.u32 %r4, %t, " + n +
            "00;\n  st.shared.u32 [%r3], %r4;\n  mbarrier.arrive.shared.b64 %d2, [%r2];\n"
            "wait" +
            n + ":\n  mbarrier." + (phase == 0 ? "try_wait" : "test_wait") +
            ".shared.b64 %p2, [%r2], %d2;\n  @!%p2 bra wait" + n +
            ";\n  sub.u32 %r5, 63, %t;\n  shl.b32 %r5, %r5, 2;\n  add.u32 %r5, %r5, %r1;\n"
            "  ld.shared.u32 %r6, [%r5];\n  add.u32 %r7, %r7, %r6;\n  bar.sync 0;\n";
  }
  const std::vector<uint32_t> out =
      RunThreads(KernelOf(body + "  st.global.u32 [%my], %r7;\n", kShared), 64);

  ASSERT_EQ(out.size(), 64u * 8);
  for (uint32_t i = 0; i < 64; ++i) {
    EXPECT_EQ(out[i * 8], 2 * (63 - i) + 100);
  }
}

TEST(Mbarrier, ParityDropsAndPendingCountsAgree) {
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  mov.u32 %r2, bar;\n  mbarrier.init.shared.b64 [%r2], 3;\n"
               "  mbarrier.arrive.shared.b64 %d2, [%r2], 2;\n"
               "  mbarrier.pending_count.b64 %r3, %d2;\n"
               "  mbarrier.test_wait.parity.shared.b64 %p1, [%r2], 0;\n  selp.u32 %r4, 1, 0, %p1;\n"
               "  mbarrier.arrive_drop.shared.b64 %d3, [%r2];\n"
               "  mbarrier.test_wait.parity.shared.b64 %p1, [%r2], 0;\n  selp.u32 %r5, 1, 0, %p1;\n"
               "  mbarrier.arrive.shared.b64 %d3, [%r2];\n"
               "  mbarrier.pending_count.b64 %r6, %d3;\n"
               "  st.global.v4.u32 [%my], {%r3, %r4, %r5, %r6};\n",
               kShared),
      1);

  EXPECT_EQ(out, (std::vector<uint32_t>{3, 0, 1, 2, 0, 0, 0, 0}));
}

TEST(Cluster, OfOneBlockMeetsAndFindsItself) {
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  mov.u32 %r1, tile;\n  st.shared.u32 [%r1], 5;\n  barrier.cluster.arrive;\n"
               "  barrier.cluster.wait;\n  mapa.shared::cluster.u32 %r2, %r1, 0;\n"
               "  ld.shared::cluster.u32 %r3, [%r2];\n"
               "  getctarank.shared::cluster.u32 %r4, %r2;\n  mov.u32 %r5, %cluster_nctarank;\n"
               "  st.global.v4.u32 [%my], {%r3, %r4, %r5, %r5};\n",
               kShared),
      64);

  ASSERT_EQ(out.size(), 64u * 8);
  EXPECT_EQ(out[0], 5u);
  EXPECT_EQ(out[1], 0u);
  EXPECT_EQ(out[2], 1u);
}

TEST(Hints, ChangeNothing) {
  std::vector<uint32_t> memory = {1, 2, 3, 4};
  const std::vector<uint32_t> out = RunThreads(
      KernelOf("  createpolicy.fractional.L2::evict_last.b64 %d2, 0f3f800000;\n"
               "  prefetch.global.L2 [%in];\n  prefetchu.L1 [%in];\n"
               "  ld.global.nc.L1::no_allocate.L2::128B.u32 %r1, [%in];\n"
               "  ld.global.L2::cache_hint.u32 %r2, [%in+4], %d2;\n"
               "  ld.global.nc.L1::evict_last.L2::cache_hint.v2.u32 {%r3, %r4}, [%in+8], %d2;\n"
               "  st.global.L1::no_allocate.u32 [%my], %r1;\n"
               "  st.global.L2::cache_hint.u32 [%my+4], %r2, %d2;\n"
               "  st.global.cs.v2.u32 [%my+8], {%r3, %r4};\n"
               "  applypriority.global.L2::evict_normal [%in], 128;\n"
               "  griddepcontrol.wait;\n  griddepcontrol.launch_dependents;\n"
               "  fence.proxy.async;\n  fence.mbarrier_init.release.cluster;\n"
               "  fence.acq_rel.gpu;\n  fence.sc.sys;\n  membar.gl;\n  nanosleep.u32 20;\n"
               "  elect.sync _|%p1, -1;\n  selp.u32 %r5, 1, 0, %p1;\n"
               "  st.global.u32 [%my+16], %r5;\n"),
      2, &memory);

  ASSERT_EQ(out.size(), 16u);
  EXPECT_EQ(std::vector<uint32_t>(out.begin(), out.begin() + 5),
            (std::vector<uint32_t>{1, 2, 3, 4, 1}));
  EXPECT_EQ(out[8 + 4], 0u);
}

TEST(Video, TakesPartsOfItsOperandsAndGivesPartsOfItsResult) {
  const std::vector<uint32_t> out =
      RunThreads(KernelOf("  mov.b32 %r1, 0x11223344;\n  mov.b32 %r2, 0x01010101;\n"
                          "  vadd.u32.u32.u32 %r3, %r1.b3, %r2.h0;\n"
                          "  vadd.u32.u32.u32 %r4.b1, %r1.b0, %r2.b0, %r1;\n"
                          "  vadd4.u32.u32.u32 %r5.b20, %r1, %r2, %r1;\n"
                          "  vadd2.u32.u32.u32 %r6, %r1.h01, %r2, %r1;\n"
                          "  st.global.v4.u32 [%my], {%r3, %r4, %r5, %r6};\n"),
                 1);

  ASSERT_EQ(out.size(), 8u);
  EXPECT_EQ(out[0], 0x112u);
  EXPECT_EQ(out[1], 0x11224544u);
  EXPECT_EQ(out[2], 0x11233345u);
  EXPECT_EQ(out[3], 0x34451223u);
}

}  // namespace
}  // namespace farlane::soft
