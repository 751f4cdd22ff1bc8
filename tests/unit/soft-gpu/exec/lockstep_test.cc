// SPDX-License-Identifier: Apache-2.0
// Lanes of a warp that exchange values through shared memory with no barrier between.
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

// Each of 32 lanes adds up its own value and those of the lanes above it, in five steps.
std::string SumAbove(const std::string& access, const std::string& barrier) {
  std::string text =
      ".version 9.0\n.target sm_75\n.address_size 64\n.shared .align 4 .b32 room[64];\n"
      ".visible .entry sum(.param .u64 out) {\n"
      ".reg .b32 %r<8>;\n.reg .b64 %rd<4>;\n"
      "mov.u32 %r1, %tid.x;\nshl.b32 %r2, %r1, 2;\nmov.u32 %r3, room;\nadd.u32 %r4, %r3, %r2;\n"
      "mov.u32 %r7, 0;\nst" +
      access +
      ".u32 [%r4+128], %r7;\n"
      "add.u32 %r5, %r1, 1;\nst" +
      access + ".u32 [%r4], %r5;\n" + barrier;
  for (const int step : {16, 8, 4, 2, 1}) {
    text += "ld" + access + ".u32 %r5, [%r4];\nld" + access + ".u32 %r6, [%r4+" +
            std::to_string(4 * step) + "];\nadd.u32 %r5, %r5, %r6;\nst" + access +
            ".u32 [%r4], %r5;\n";
  }
  return text + "ld" + access +
         ".u32 %r5, [%r4];\nld.param.u64 %rd1, [out];\n"
         "mul.wide.u32 %rd2, %r1, 4;\nadd.u64 %rd3, %rd1, %rd2;\n"
         "st.global.u32 [%rd3], %r5;\nret;\n}\n";
}

void ExpectSums(const std::string& text) {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  uint32_t* const sums = device.New<uint32_t>(32);
  std::unique_ptr<Program> program = LoadOrFail(text);
  ASSERT_NE(program, nullptr);

  const LaunchOutcome outcome =
      program->Launch(0, {.grid = {1, 1, 1}, .block = {32, 1, 1}}, Parameters().Add(sums).bytes());

  ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  for (uint32_t lane = 0; lane < 32; ++lane) {
    uint32_t sum = 0;
    for (uint32_t other = lane; other < 32; ++other) {
      sum += other + 1;
    }
    EXPECT_EQ(sums[lane], sum) << "lane " << lane;
  }
}

TEST(Lockstep, LanesOfAKernelWithoutBarriersSeeEachOthersStores) {
  ExpectSums(SumAbove(".shared", ""));
}

TEST(Lockstep, VolatileAccessesAreExchangedBesideBarriers) {
  ExpectSums(SumAbove(".volatile.shared", "bar.sync 0;\n"));
}

}  // namespace
}  // namespace farlane::soft
