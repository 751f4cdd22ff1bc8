// SPDX-License-Identifier: Apache-2.0
// What a kernel does wrong ends the launch and nothing else.
#include <csignal>
#include <cstring>

#include <gmock/gmock.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using testing::HasSubstr;

std::string Kernel(const std::string& body) {
  return ".version 9.0\n.target sm_80\n.address_size 64\n"
         ".shared .align 16 .b8 tile[64];\n"
         ".visible .entry k(.param .u64 a, .param .u64 b)\n{\n"
         "  .local .align 8 .b8 depot[32];\n"
         "  .reg .pred %p<5>;\n  .reg .b32 %r<10>;\n  .reg .b64 %rd<10>;\n"
         "  ld.param.u64 %rd1, [a];\n  ld.param.u64 %rd2, [b];\n" +
         body + "  ret;\n}\n";
}

LaunchOutcome RunBody(const std::string& body, uint64_t a, uint64_t b, uint32_t threads = 1) {
  std::unique_ptr<Program> program = LoadOrFail(Kernel(body));
  if (program == nullptr) {
    return {Fault::kUnsupported, "not loaded"};
  }
  return program->Launch(0, {.block = {threads, 1, 1}}, Parameters().Add(a).Add(b).bytes());
}

TEST(Faults, AStoreOutsideOfTheWindowChangesNothing) {
  static uint64_t victim = 0x1122334455667788;

  const LaunchOutcome outcome = RunBody("  st.global.u64 [%rd1], %rd2;\n  st.u64 [%rd1], %rd2;\n",
                                        reinterpret_cast<uint64_t>(&victim), 0);

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
  EXPECT_THAT(outcome.detail, HasSubstr("thread: [0,0,0]"));
  EXPECT_EQ(victim, 0x1122334455667788u);
}

TEST(Faults, AGenericStoreIsNoWayAroundTheWindow) {
  uint64_t victim_on_stack = 7;

  const LaunchOutcome outcome =
      RunBody("  st.u64 [%rd1], %rd2;\n", reinterpret_cast<uint64_t>(&victim_on_stack), 0);

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
  EXPECT_EQ(victim_on_stack, 7u);
}

TEST(Faults, AHoleInTheWindowFaultsByItself) {
  const LaunchOutcome outcome =
      RunBody("  ld.global.u64 %rd3, [%rd1];\n  st.global.u64 [%rd2], %rd3;\n",
              TestDevice::Instance().hole(), TestDevice::Instance().base());

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
}

TEST(Faults, TheLastBytesOfTheWindowAreInsideAndTheNextAreNot) {
  const uint64_t end = TestDevice::Instance().base() + TestDevice::kWindowBytes;

  // Unmapped, but inside: the processor faults. Outside: the check does. Both say the same.
  EXPECT_EQ(RunBody("  st.global.u32 [%rd1], 1;\n", end - 4, 0).fault, Fault::kIllegalAddress);
  EXPECT_EQ(RunBody("  st.global.u32 [%rd1], 1;\n", end, 0).fault, Fault::kIllegalAddress);
  EXPECT_EQ(RunBody("  st.global.u32 [%rd1+-4], 1;\n", TestDevice::Instance().base(), 0).fault,
            Fault::kIllegalAddress);
}

TEST(Faults, AMisalignedAccessIsCalledSo) {
  const uint64_t base = TestDevice::Instance().base();

  EXPECT_EQ(
      RunBody("  ld.global.u32 %r1, [%rd1];\n  st.global.u32 [%rd2], %r1;\n", base + 2, base).fault,
      Fault::kMisaligned);
  EXPECT_EQ(RunBody("  st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r4};\n", base + 8, 0).fault,
            Fault::kMisaligned);
}

TEST(Faults, AnAccessToGlobalMemoryFindsNoOtherThere) {
  for (const std::string space : {"shared", "local"}) {
    const std::string name = space == "shared" ? "tile" : "depot";
    EXPECT_EQ(RunBody("  mov.u64 %rd3, " + name + ";\n  cvta." + space +
                          ".u64 %rd4, %rd3;\n  st.global.u32 [%rd4], 1;\n",
                      0, 0)
                  .fault,
              Fault::kIllegalAddress);
  }
}

TEST(Faults, SharedAndLocalMemoryEndWhereTheyEnd) {
  EXPECT_EQ(RunBody("  mov.u32 %r1, tile;\n  st.shared.u32 [%r1+60], 1;\n", 0, 0).fault,
            Fault::kNone);
  EXPECT_EQ(RunBody("  mov.u32 %r1, tile;\n  st.shared.u32 [%r1+64], 1;\n", 0, 0).fault,
            Fault::kIllegalAddress);
  EXPECT_EQ(RunBody("  mov.u64 %rd3, depot;\n  st.local.u64 [%rd3+24], %rd1;\n", 0, 0).fault,
            Fault::kNone);
  EXPECT_EQ(RunBody("  mov.u64 %rd3, depot;\n  st.local.u64 [%rd3+32], %rd1;\n", 0, 0).fault,
            Fault::kIllegalAddress);
  EXPECT_EQ(RunBody("  mov.u64 %rd3, depot;\n  st.local.u64 [%rd3+-8], %rd1;\n", 0, 0).fault,
            Fault::kIllegalAddress);
}

TEST(Faults, GenericPointersToSharedAndLocalMemoryAreLegal) {
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<uint64_t>(2);

  const LaunchOutcome outcome = RunBody(
      "  mov.u64 %rd3, depot;\n  cvta.local.u64 %rd4, %rd3;\n  st.u64 [%rd4+8], 77;\n"
      "  ld.local.u64 %rd5, [depot+8];\n  st.global.u64 [%rd1], %rd5;\n"
      "  mov.u64 %rd6, tile;\n  cvta.shared.u64 %rd7, %rd6;\n  st.u64 [%rd7+16], 88;\n"
      "  ld.shared.u64 %rd8, [tile+16];\n  st.global.u64 [%rd1+8], %rd8;\n",
      reinterpret_cast<uint64_t>(out), 0);

  ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  EXPECT_EQ(out[0], 77u);
  EXPECT_EQ(out[1], 88u);
}

TEST(Faults, DivisionsThatTheProcessorRefusesAreNone) {
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<uint32_t>(2);

  const LaunchOutcome outcome = RunBody(
      "  cvt.u32.u64 %r1, %rd2;\n  div.s32 %r2, %r1, 0;\n  mov.u32 %r3, -2147483648;\n"
      "  sub.s32 %r4, %r1, 6;\n  div.s32 %r5, %r3, %r4;\n  rem.s32 %r6, %r3, %r4;\n"
      "  st.global.u32 [%rd1], %r5;\n  st.global.u32 [%rd1+4], %r6;\n",
      reinterpret_cast<uint64_t>(out), 5);

  ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  EXPECT_EQ(out[0], 0x80000000u);
  EXPECT_EQ(out[1], 0u);
}

// A function that calls itself for ever, with a frame larger than the page that guards a stack.
std::string Recursion(const std::string& first) {
  return ".version 9.0\n.target sm_80\n.address_size 64\n"
         ".func (.param .b32 r) f(.param .b32 x, .param .align 16 .b8 y[12000])\n{\n"
         "  .reg .b32 %r<6>;\n  .param .align 16 .b8 z[12000];\n  .param .b32 p;\n"
         "  .param .b32 q;\n  ld.param.b32 %r1, [x];\n  ld.param.b32 %r2, [y+8000];\n"
         "  add.u32 %r3, %r1, %r2;\n  st.param.b32 [p], %r3;\n  st.param.b32 [z+8000], %r1;\n"
         "  call (q), f, (p, z);\n  ld.param.b32 %r4, [q];\n  xor.b32 %r5, %r4, %r1;\n"
         "  mul.lo.u32 %r5, %r5, %r3;\n  st.param.b32 [r], %r5;\n  ret;\n}\n"
         ".visible .entry k(.param .u64 a, .param .u64 b)\n{\n"
         "  .reg .b32 %r<4>;\n  .reg .b64 %rd<3>;\n  .param .align 16 .b8 z[12000];\n"
         "  .param .b32 p;\n  .param .b32 q;\n  ld.param.u64 %rd1, [a];\n" +
         first +
         "  mov.u32 %r1, %tid.x;\n  st.param.b32 [p], %r1;\n  st.param.b32 [z+8000], %r1;\n"
         "  call (q), f, (p, z);\n  ld.param.b32 %r2, [q];\n  st.global.u32 [%rd1], %r2;\n"
         "  ret;\n}\n";
}

TEST(Faults, EndlessRecursionIsAStackOverflowWhetherThreadsWaitOrNot) {
  for (const char* const first : {"", "  bar.sync 0;\n"}) {
    std::unique_ptr<Program> program = LoadOrFail(Recursion(first));
    ASSERT_NE(program, nullptr);

    const LaunchOutcome outcome =
        program->Launch(0, {.block = {64, 1, 1}},
                        Parameters().Add(TestDevice::Instance().base()).Add(uint64_t{0}).bytes());

    EXPECT_EQ(outcome.fault, Fault::kStackOverflow) << outcome.detail;
    EXPECT_EQ(RunBody("  bar.sync 0;\n", 0, 0, 64).fault, Fault::kNone);
  }
}

TEST(Faults, AccessesThatAreCheckedTogetherFaultEachByItself) {
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<uint32_t>(8);
  const auto address = reinterpret_cast<uint64_t>(out);
  const std::string three =
      "  mov.u32 %r1, tile;\n  cvt.u32.u64 %r2, %rd2;\n  add.u32 %r1, %r1, %r2;\n"
      "  st.shared.u32 [%r1+4], 7;\n  ld.shared.u32 %r3, [%r1+4];\n"
      "  st.shared.u32 [%r1+-4], %r3;\n  ld.shared.u32 %r4, [%r1+-4];\n"
      "  st.global.u32 [%rd1], %r3;\n  st.global.u32 [%rd1+12], %r4;\n";

  // The highest ends where the tile ends, the lowest starts where it starts; then one goes over.
  for (const uint64_t inside : {uint64_t{4}, uint64_t{56}}) {
    out[0] = out[3] = 0;
    const LaunchOutcome outcome = RunBody(three, address, inside);
    EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
    EXPECT_EQ(out[0], 7u);
    EXPECT_EQ(out[3], 7u);
  }
  const LaunchOutcome above = RunBody(three, address, 60);
  EXPECT_EQ(above.fault, Fault::kIllegalAddress);
  EXPECT_THAT(above.detail, HasSubstr("4 bytes at 0x40 of 64 bytes of shared memory"));
  EXPECT_THAT(above.detail, HasSubstr("line 16 of the PTX"));
  EXPECT_EQ(RunBody(three, address, 0).fault, Fault::kIllegalAddress);
  EXPECT_EQ(RunBody(three, address, 10).fault, Fault::kMisaligned);
  // Global: the window's last word, and the one behind it.
  const uint64_t hole = TestDevice::Instance().base() + TestDevice::kWindowBytes;
  EXPECT_EQ(RunBody(three, hole - 12, 8).fault, Fault::kIllegalAddress);
  EXPECT_EQ(RunBody(three, address + 2, 8).fault, Fault::kMisaligned);
}

TEST(Faults, ARegisterThatChangesInBetweenIsNotTheSamePlace) {
  TestDevice::Instance().Reset();
  auto* const out = TestDevice::Instance().New<uint64_t>(4);
  out[0] = reinterpret_cast<uint64_t>(out + 2);
  out[1] = 5;
  out[3] = 6;

  const LaunchOutcome outcome = RunBody(
      "  ld.global.u64 %rd3, [%rd1+8];\n  ld.global.u64 %rd4, [%rd1];\n"
      "  mov.u64 %rd5, %rd1;\n  ld.global.u64 %rd5, [%rd5];\n"
      "  ld.global.u64 %rd6, [%rd5+8];\n  ld.global.u64 %rd7, [%rd5];\n"
      "  add.u64 %rd8, %rd3, %rd6;\n  st.global.u64 [%rd5], %rd8;\n",
      reinterpret_cast<uint64_t>(out), 0);

  ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  EXPECT_EQ(out[2], 11u);
}

TEST(Faults, ATrapNamesItsThread) {
  const LaunchOutcome outcome =
      RunBody("  mov.u32 %r1, %tid.x;\n  setp.eq.u32 %p1, %r1, 5;\n  @%p1 trap;\n", 0, 0, 32);

  EXPECT_EQ(outcome.fault, Fault::kTrap);
  EXPECT_THAT(outcome.detail, HasSubstr("thread: [5,0,0]"));
}

TEST(Faults, AThreadThatWaitsCanFaultToo) {
  const std::string body =
      "  bar.sync 0;\n  mov.u32 %r1, %tid.x;\n  setp.eq.u32 %p1, %r1, 40;\n"
      "  @%p1 st.global.u32 [%rd1], 1;\n  bar.sync 0;\n";

  const LaunchOutcome outcome = RunBody(body, 64, 0, 64);

  EXPECT_EQ(outcome.fault, Fault::kIllegalAddress);
  EXPECT_THAT(outcome.detail, HasSubstr("thread: [40,0,0]"));
  EXPECT_EQ(RunBody(body, TestDevice::Instance().base(), 0, 64).fault, Fault::kNone);
}

TEST(Faults, ThreadsThatOnlyWaitForEachOtherAreATrap) {
  const LaunchOutcome outcome = RunBody(
      "  mov.u32 %r1, %tid.x;\n  setp.eq.u32 %p1, %r1, 0;\n  @%p1 bar.sync 1;\n"
      "  @!%p1 bar.sync 2;\n",
      0, 0, 2);

  EXPECT_EQ(outcome.fault, Fault::kTrap);
}

TEST(Faults, OnlyTheKernelWithAnUnknownInstructionFails) {
  const std::string text = Kernel("") +
                           ".visible .entry odd()\n{\n  .reg .b32 %r<3>;\n"
                           "  frobnicate.b32 %r1, %r2;\n  ret;\n}\n";
  std::unique_ptr<Program> program = LoadOrFail(text);
  ASSERT_NE(program, nullptr);

  const Status status = program->Prepare(KernelNamed(*program, "odd"));

  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("frobnicate.b32"));
  EXPECT_THAT(status.message(), HasSubstr("line 18"));
  EXPECT_THAT(status.message(), HasSubstr("odd"));
  EXPECT_TRUE(program->Prepare(KernelNamed(*program, "k")).ok());
}

constexpr int kForeignExit = 42;
volatile uint64_t unmapped_address = 8;

void OnForeignFault(int) {
  std::_Exit(kForeignExit);
}

TEST(Faults, AFaultOfTheHostProgramReachesItsOwnHandler) {
  // The test runs in a process of its own, where ours is not installed yet.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        std::signal(SIGSEGV, OnForeignFault);
        RunBody("", 0, 0);
        *reinterpret_cast<volatile int*>(unmapped_address) = 1;
      },
      testing::ExitedWithCode(kForeignExit), "");
}

}  // namespace
}  // namespace farlane::soft
