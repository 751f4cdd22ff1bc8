// SPDX-License-Identifier: Apache-2.0
// Cooperative grids: all blocks are under way at a time and may wait for one another.
#include <string>

#include <gmock/gmock.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

constexpr uint32_t kBlocksCount = 24;  // more than a small machine has processors
constexpr uint32_t kThreadsCount = 64;

// Each thread adds 1 to out[0]; after a barrier of the whole grid each block's first thread copies
// what is there to out[1 + block]. `where` puts the barrier's address into %rd2.
std::string Barrier(const std::string& where) {
  return R"(.version 9.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 out, .param .u64 word)
{
  .reg .pred %p<5>;
  .reg .b32 %r<20>;
  .reg .b64 %rd<10>;
  ld.param.u64 %rd1, [out];
)" + where +
         R"(
  atom.global.add.u32 %r1, [%rd1], 1;
  mov.u32 %r2, %tid.x;
  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %nctaid.x;
  barrier.sync 0;
  setp.ne.u32 %p1, %r2, 0;
  @%p1 bra $MET;
  setp.eq.u32 %p2, %r3, 0;
  sub.u32 %r5, -2147483647, %r4;
  selp.b32 %r6, %r5, 1, %p2;
  atom.add.release.gpu.u32 %r7, [%rd2+4], %r6;
$WAIT:
  ld.acquire.gpu.u32 %r8, [%rd2+4];
  xor.b32 %r9, %r8, %r7;
  setp.gt.s32 %p3, %r9, -1;
  @%p3 bra $WAIT;
  ld.volatile.global.u32 %r10, [%rd1];
  mul.wide.u32 %rd3, %r3, 4;
  add.s64 %rd4, %rd1, %rd3;
  st.global.u32 [%rd4+4], %r10;
$MET:
  barrier.sync 0;
  ret;
}
)";
}

const char* const kFromParameter = "  ld.param.u64 %rd2, [word];\n";
// As compilers find it.
const char* const kFromWorkspace =
    "  mov.u32 %r11, %envreg2;\n  mov.u32 %r12, %envreg1;\n  mov.b64 %rd2, {%r11, %r12};\n";

LaunchOutcome RunText(const std::string& text, const uint32_t* out, const uint32_t* word) {
  std::unique_ptr<Program> program = LoadOrFail(text);
  if (program == nullptr) {
    return {Fault::kUnsupported, "not loaded"};
  }
  const LaunchShape shape{
      .grid = {kBlocksCount, 1, 1}, .block = {kThreadsCount, 1, 1}, .cooperative = true};
  return program->Launch(0, shape, Parameters().Add(out).Add(word).bytes());
}

TEST(Cooperative, MoreBlocksThanProcessorsMeet) {
  for (const char* const where : {kFromParameter, kFromWorkspace}) {
    TestDevice::Instance().Reset();
    auto* const out = TestDevice::Instance().New<uint32_t>(1 + kBlocksCount);
    auto* const word = TestDevice::Instance().New<uint32_t>(2);

    const LaunchOutcome outcome = RunText(Barrier(where), out, word);

    ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
    EXPECT_THAT(std::vector<uint32_t>(out, out + 1 + kBlocksCount),
                testing::Each(kBlocksCount * kThreadsCount));
  }
}

TEST(Cooperative, BlocksThatWaitForOneThatFailedEndToo) {
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<uint32_t>(1 + kBlocksCount);
  const std::string fails =
      std::string(kFromWorkspace) +
      "  mov.u32 %r13, %ctaid.x;\n  setp.eq.u32 %p4, %r13, 5;\n  @%p4 st.global.u32 [8], 1;\n";

  const LaunchOutcome outcome = RunText(Barrier(fails), out, nullptr);

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
  EXPECT_THAT(outcome.detail, testing::HasSubstr("block: [5,0,0]"));
}

TEST(Cooperative, AnOrdinaryGridHasNoWorkspace) {
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<uint64_t>(1);
  *out = 1;
  std::unique_ptr<Program> program = LoadOrFail(
      ".version 9.0\n.target sm_80\n.address_size 64\n"
      ".visible .entry k(.param .u64 out)\n{\n  .reg .b32 %r<20>;\n  .reg .b64 %rd<5>;\n"
      "  ld.param.u64 %rd1, [out];\n" +
      std::string(kFromWorkspace) + "  st.global.u64 [%rd1], %rd2;\n  ret;\n}\n");
  ASSERT_NE(program, nullptr);

  EXPECT_EQ(program->Launch(0, {}, Parameters().Add(out).bytes()).fault, Fault::kNone);

  EXPECT_EQ(*out, 0u);
}

// Each block takes a number, waits until the one before it is done, and adds its own to the sum.
const char* const kChain = R"(.version 9.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 words)
{
  .reg .pred %p<3>;
  .reg .b32 %r<10>;
  .reg .b64 %rd<5>;
  .shared .b32 number;
  ld.param.u64 %rd1, [words];
  mov.u32 %r1, %tid.x;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra $TAKEN;
  atom.global.add.u32 %r2, [%rd1], 1;
  st.shared.u32 [number], %r2;
$TAKEN:
  bar.sync 0;
  ld.shared.u32 %r3, [number];
  mul.wide.u32 %rd2, %r3, 4;
  add.s64 %rd3, %rd1, %rd2;
$WAIT:
  ld.acquire.gpu.global.u32 %r4, [%rd3+4];
  setp.eq.u32 %p2, %r4, 0;
  @%p2 bra $WAIT;
  bar.sync 0;
  @%p1 bra $END;
  add.u32 %r5, %r4, %r3;
  st.release.gpu.global.u32 [%rd3+8], %r5;
$END:
  ret;
}
)";

TEST(Cooperative, ManyBlocksOfAnOrdinaryGridMayWaitForTheOnesBefore) {
  constexpr uint32_t kChainBlocks = 3000;
  TestDevice::Instance().Reset();
  auto* const words = TestDevice::Instance().New<uint32_t>(kChainBlocks + 2);
  words[1] = 1;
  std::unique_ptr<Program> program = LoadOrFail(kChain);
  ASSERT_NE(program, nullptr);

  const LaunchOutcome outcome =
      program->Launch(0, {.grid = {kChainBlocks, 1, 1}, .block = {kThreadsCount, 1, 1}},
                      Parameters().Add(words).bytes());

  ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  EXPECT_EQ(words[kChainBlocks + 1], 1 + kChainBlocks * (kChainBlocks - 1) / 2);
}

}  // namespace
}  // namespace farlane::soft
