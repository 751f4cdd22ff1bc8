// SPDX-License-Identifier: Apache-2.0
// Rules of the ISA that are about more than one instruction: state spaces, predicates, barriers,
// the order of memory, blocks that wait for others.
#include <numeric>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"
#include "tests/unit/soft-gpu/isa/oracle/variant_kernel.h"

namespace farlane::soft::isa {
namespace {

constexpr const char* kRegisters =
    "  .reg .pred %p<8>;\n  .reg .b16 %h<8>;\n  .reg .b32 %r<24>;\n  .reg .b64 %d<16>;\n"
    "  .reg .f32 %f<8>;\n  .reg .b64 %out;\n  ld.param.u64 %out, [out];\n"
    "  mov.u32 %r0, %tid.x;\n  mov.u32 %r1, %ctaid.x;\n";

// Runs a kernel whose only parameter is %out, with `words` zeroed words there.
std::vector<uint32_t> RunBody(const std::string& body,
                              size_t words,
                              const LaunchShape& shape,
                              const std::string& globals = "") {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  const std::unique_ptr<Program> program =
      LoadOrFail(ModuleHead() + globals + ".visible .entry k(.param .u64 out)\n{\n" + kRegisters +
                 body + "  ret;\n}\n");
  if (program == nullptr) {
    return std::vector<uint32_t>(words);
  }
  uint32_t* const out = device.New<uint32_t>(words);
  const LaunchOutcome outcome = program->Launch(0, shape, Parameters().Add(out).bytes());
  EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  return {out, out + words};
}

TEST(Spaces, AreToldApartByGenericAddresses) {
  const std::vector<uint32_t> out = RunBody(
      "  .shared .align 4 .b32 s;\n  .local .align 4 .b32 l;\n"
      "  mov.u32 %r2, s;\n  cvt.u64.u32 %d1, %r2;\n  cvta.shared.u64 %d1, %d1;\n"
      "  mov.u64 %d2, l;\n  cvta.local.u64 %d2, %d2;\n  mov.u64 %d3, %out;\n"
      "  isspacep.shared %p1, %d1;\n  isspacep.local %p2, %d2;\n  isspacep.global %p3, %d3;\n"
      "  isspacep.global %p4, %d1;\n  isspacep.shared %p5, %d2;\n  isspacep.local %p6, %d3;\n"
      "  selp.b32 %r3, 1, 0, %p1;\n  selp.b32 %r4, 2, 0, %p2;\n  selp.b32 %r5, 4, 0, %p3;\n"
      "  selp.b32 %r6, 8, 0, %p4;\n  selp.b32 %r7, 16, 0, %p5;\n  selp.b32 %r8, 32, 0, %p6;\n"
      "  add.u32 %r3, %r3, %r4;\n  add.u32 %r3, %r3, %r5;\n  add.u32 %r3, %r3, %r6;\n"
      "  add.u32 %r3, %r3, %r7;\n  add.u32 %r3, %r3, %r8;\n  st.global.u32 [%out], %r3;\n"
      "  st.u32 [%d1], 77;\n  cvta.to.shared.u64 %d4, %d1;\n  ld.shared.u32 %r9, [%d4];\n"
      "  st.global.u32 [%out+4], %r9;\n  st.u32 [%d2], 78;\n  cvta.to.local.u64 %d5, %d2;\n"
      "  ld.local.u32 %r10, [%d5];\n  st.global.u32 [%out+8], %r10;\n",
      3, {});

  EXPECT_EQ(out, (std::vector<uint32_t>{7, 77, 78}));
}

TEST(Spaces, DynamicSharedArraysAllStartWhereStaticOnesEnd) {
  const std::vector<uint32_t> out = RunBody(
      "  .shared .align 4 .b32 fixed[3];\n  mov.u32 %r2, fixed;\n  mov.u32 %r3, first;\n"
      "  mov.u32 %r4, second;\n  setp.eq.u32 %p1, %r3, %r4;\n  selp.b32 %r5, 1, 0, %p1;\n"
      "  st.global.u32 [%out], %r5;\n  add.u32 %r6, %r2, 12;\n  setp.ge.u32 %p2, %r3, %r6;\n"
      "  selp.b32 %r7, 1, 0, %p2;\n  st.global.u32 [%out+4], %r7;\n"
      "  mov.u32 %r8, %dynamic_smem_size;\n  st.global.u32 [%out+8], %r8;\n"
      "  st.shared.u32 [first], 0;\n  st.shared.u32 [first+4], 5;\n  ld.shared.u16 %r9, "
      "[second+4];\n"
      "  st.global.u32 [%out+12], %r9;\n  st.shared.u32 [fixed+8], 6;\n"
      "  ld.shared.u32 %r10, [first];\n  st.global.u32 [%out+16], %r10;\n",
      5, {.dynamic_shared_bytes = 256},
      ".extern .shared .align 16 .b32 first[];\n.extern .shared .align 8 .b16 second[];\n");

  EXPECT_EQ(out, (std::vector<uint32_t>{1, 1, 256, 5, 0}));
}

TEST(Predicates, AnInstructionThatIsOffTouchesNothing) {
  const std::vector<uint32_t> out = RunBody(
      "  mov.u32 %r2, 9;\n  setp.eq.u32 %p1, %r0, 1;\n  mov.u64 %d1, 8;\n"
      "  @%p1 add.u32 %r2, %r2, 1;\n  @!%p1 sub.u32 %r2, %r2, 1;\n"
      "  setp.eq.u32 %p2, %r0, 7;\n  @%p2 ld.global.u32 %r2, [%d1];\n"
      "  @%p2 st.global.u32 [%d1], %r2;\n  @%p2 trap;\n  @%p2 atom.global.add.u32 %r2, [%d1], 1;\n"
      "  mov.u32 %r3, 0;\n  @%p2 div.u32 %r2, %r2, %r3;\n"
      "  mad.wide.u32 %out, %r0, 4, %out;\n  st.global.u32 [%out], %r2;\n",
      4, {.block = {4, 1, 1}});

  EXPECT_EQ(out, (std::vector<uint32_t>{8, 10, 8, 8}));
}

// What a vector moves, in the order of its elements, and a narrow element widened by its type.
TEST(Vectors, MoveTheirElementsInOrder) {
  const std::vector<uint32_t> out = RunBody(
      "  st.global.v4.u32 [%out], {1, 2, 3, 0xfffefdfc};\n  ld.global.v2.u64 {%d1, %d2}, [%out];\n"
      "  shr.u64 %d1, %d1, 32;\n  st.global.v2.b64 [%out+16], {%d1, %d2};\n"
      "  ld.global.v4.s8 {%r2, %r3, %r4, %r5}, [%out+12];\n"
      "  st.global.v4.u32 [%out+32], {%r2, %r3, %r4, %r5};\n"
      "  ld.global.v4.u8 {%r2, %r3, %r4, _}, [%out+12];\n"
      "  st.global.v2.u32 [%out+48], {%r3, %r4};\n"
      "  ld.global.v2.f32 {%f1, %f2}, [%out];\n  st.global.v2.f32 [%out+56], {%f2, %f1};\n",
      16, {});

  EXPECT_EQ(out, (std::vector<uint32_t>{1, 2, 3, 0xfffefdfc, 2, 0, 3, 0xfffefdfc, 0xfffffffc,
                                        0xfffffffd, 0xfffffffe, 0xffffffff, 0xfd, 0xfe, 2, 1}));
}

// A store writes as many bytes as its type has, whatever else the register holds.
TEST(Stores, WriteTheirTypesBytesOnly) {
  const std::vector<uint32_t> out = RunBody(
      "  mov.u32 %r2, 0x11223344;\n  mov.u64 %d1, 0x5566778899aabbcc;\n"
      "  st.global.u8 [%out], %r2;\n  st.global.b16 [%out+4], %r2;\n"
      "  st.global.u8 [%out+9], %d1;\n  st.global.u32 [%out+12], %d1;\n",
      4, {});

  EXPECT_EQ(out, (std::vector<uint32_t>{0x44, 0x3344, 0xcc00, 0x99aabbcc}));
}

TEST(Barriers, OneSideArrivesWhileTheOtherWaits) {
  // The second warp fills, tells, and does not wait; the first waits for both, then reads.
  const std::vector<uint32_t> out = RunBody(
      "  .shared .align 4 .b32 tile[32];\n  and.b32 %r2, %r0, 31;\n  mov.u32 %r3, tile;\n"
      "  mad.lo.u32 %r3, %r2, 4, %r3;\n  setp.lt.u32 %p1, %r0, 32;\n  @%p1 bra WAIT;\n"
      "  st.shared.u32 [%r3], %r0;\n  bar.arrive 3, 64;\n  bra END;\nWAIT:\n  bar.sync 3, 64;\n"
      "  ld.shared.u32 %r4, [%r3];\n  mad.wide.u32 %out, %r2, 4, %out;\n"
      "  st.global.u32 [%out], %r4;\nEND:\n",
      32, {.block = {64, 1, 1}});

  std::vector<uint32_t> expected(32);
  std::iota(expected.begin(), expected.end(), 32);
  EXPECT_EQ(out, expected);
}

TEST(Barriers, ReduceThePredicatesOfAllThreads) {
  const std::vector<uint32_t> out = RunBody(
      "  setp.lt.u32 %p1, %r0, 37;\n  bar.red.popc.u32 %r2, 0, %p1;\n"
      "  bar.red.and.pred %p2, 0, %p1;\n  bar.red.or.pred %p3, 0, %p1;\n"
      "  barrier.red.popc.u32 %r3, 1, 96, !%p1;\n  selp.b32 %r4, 1, 0, %p2;\n"
      "  selp.b32 %r5, 1, 0, %p3;\n  setp.ne.u32 %p4, %r0, 95;\n"
      "  @!%p4 st.global.v4.u32 [%out], {%r2, %r4, %r5, %r3};\n",
      4, {.block = {96, 1, 1}});

  EXPECT_EQ(out, (std::vector<uint32_t>{37, 0, 1, 59}));
}

TEST(Barriers, ThreadsThatHaveLeftAreNotWaitedFor) {
  const std::vector<uint32_t> out = RunBody(
      "  .shared .align 4 .b32 sum;\n  setp.eq.u32 %p1, %r0, 0;\n  @%p1 st.shared.u32 [sum], 0;\n"
      "  bar.sync 0;\n  setp.ge.u32 %p2, %r0, 40;\n  @%p2 exit;\n"
      "  atom.shared.add.u32 %r2, [sum], 1;\n  bar.sync 0;\n  ld.shared.u32 %r3, [sum];\n"
      "  @%p1 st.global.u32 [%out], %r3;\n",
      1, {.block = {64, 1, 1}});

  EXPECT_EQ(out[0], 40u);
}

// Message passing: who sees the flag sees the data. Odd blocks wait for the block before them.
void ExpectMessagesPass(const std::string& tell, const std::string& look) {
  constexpr uint32_t kBlocks = 128;
  const std::vector<uint32_t> out = RunBody(
      "  shr.u32 %r2, %r1, 1;\n  mad.wide.u32 %d1, %r2, 16, %out;\n"
      "  and.b32 %r3, %r1, 1;\n  setp.ne.u32 %p1, %r3, 0;\n  @%p1 bra READ;\n"
      "  add.u32 %r4, %r1, 1000;\n  st.global.u32 [%d1], %r4;\n" +
          tell + "  bra END;\nREAD:\n" + look +
          "  setp.eq.u32 %p2, %r5, 0;\n  @%p2 bra READ;\n  ld.global.u32 %r6, [%d1];\n"
          "  st.global.u32 [%d1+8], %r6;\nEND:\n",
      kBlocks * 2, {.grid = {kBlocks, 1, 1}});

  for (uint32_t pair = 0; pair < kBlocks / 2; ++pair) {
    EXPECT_EQ(out[4 * pair + 2], 2 * pair + 1000) << "pair " << pair;
  }
}

TEST(MemoryOrder, AReleaseIsSeenByTheAcquireThatReadsIt) {
  ExpectMessagesPass("  st.release.gpu.global.u32 [%d1+4], 1;\n",
                     "  ld.acquire.gpu.global.u32 %r5, [%d1+4];\n");
}

TEST(MemoryOrder, FencesOrderRelaxedAndVolatileAccesses) {
  ExpectMessagesPass("  fence.acq_rel.gpu;\n  st.relaxed.gpu.global.u32 [%d1+4], 1;\n",
                     "  ld.relaxed.gpu.global.u32 %r5, [%d1+4];\n  fence.acq_rel.gpu;\n");
  ExpectMessagesPass("  membar.gl;\n  st.volatile.global.u32 [%d1+4], 1;\n",
                     "  ld.volatile.global.u32 %r5, [%d1+4];\n  membar.gl;\n");
  ExpectMessagesPass("  atom.release.gpu.global.exch.b32 %r7, [%d1+4], 1;\n",
                     "  atom.acquire.gpu.global.or.b32 %r5, [%d1+4], 0;\n");
}

// A chain through all blocks, each waiting for the sum of the one before it.
TEST(Progress, ABlockMayWaitForAnyEarlierOne) {
  constexpr uint32_t kBlocks = 300;
  const std::vector<uint32_t> out = RunBody(
      "  setp.ne.u32 %p1, %r0, 0;\n  @%p1 bra END;\n  mad.wide.u32 %d1, %r1, 4, %out;\n"
      "  mov.u32 %r2, 0;\n  setp.eq.u32 %p2, %r1, 0;\n  @%p2 bra ADD;\nWAIT:\n"
      "  ld.acquire.gpu.global.u32 %r2, [%d1+-4];\n  setp.eq.u32 %p3, %r2, 0;\n"
      "  @%p3 nanosleep.u32 20;\n  @%p3 bra WAIT;\nADD:\n  add.u32 %r2, %r2, %r1;\n"
      "  add.u32 %r2, %r2, 1;\n  st.release.gpu.global.u32 [%d1], %r2;\nEND:\n",
      kBlocks, {.grid = {kBlocks, 1, 1}, .block = {64, 1, 1}});

  for (uint32_t block = 0; block < kBlocks; ++block) {
    ASSERT_EQ(out[block], (block + 1) * (block + 2) / 2);
  }
}

// Lanes of one warp take turns with a lock that each needs: no lane may starve the others.
TEST(Progress, LanesOfAWarpPassALockOn) {
  const std::vector<uint32_t> out = RunBody(
      "WAIT:\n  atom.acquire.gpu.global.cas.b32 %r2, [%out], 0, 1;\n"
      "  setp.ne.u32 %p1, %r2, 0;\n  @%p1 bra WAIT;\n  ld.volatile.global.u32 %r3, [%out+4];\n"
      "  add.u32 %r3, %r3, 1;\n  st.volatile.global.u32 [%out+4], %r3;\n"
      "  atom.release.gpu.global.exch.b32 %r4, [%out], 0;\n",
      2, {.grid = {4, 1, 1}, .block = {64, 1, 1}});

  EXPECT_EQ(out[1], 256u);
}

}  // namespace
}  // namespace farlane::soft::isa
