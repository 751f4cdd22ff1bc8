// SPDX-License-Identifier: Apache-2.0
// Kernels without an end are ended from outside; others go on.
#include "soft-gpu/exec/running_grids.h"

#include <chrono>
#include <future>
#include <thread>

#include <gmock/gmock.h>

#include "protocol/base/clock.h"
#include "soft-gpu/exec/options.h"
#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kOwner = 7;
constexpr uint64_t kOther = 8;
constexpr uint64_t kMs = 1'000'000;

std::string Kernel(const std::string& body) {
  return ".version 9.0\n.target sm_80\n.address_size 64\n"
         ".visible .entry k(.param .u64 a, .param .u64 b)\n{\n"
         "  .reg .pred %p<5>;\n  .reg .b32 %r<10>;\n  .reg .b64 %rd<10>;\n"
         "  ld.param.u64 %rd1, [a];\n  ld.param.u64 %rd2, [b];\n" +
         body + "  ret;\n}\n";
}

// Loops until *a is not 0, in ways that differ in where the processor spends its time.
const char* const kPlain =
    "L:\n  ld.global.u32 %r1, [%rd1];\n  st.global.u32 [%rd2], %r1;\n  setp.eq.u32 %p1, %r1, 0;\n"
    "  @%p1 bra L;\n";
const char* const kVolatile =
    "L:\n  ld.volatile.global.u32 %r1, [%rd1];\n  setp.eq.u32 %p1, %r1, 0;\n  @%p1 bra L;\n";
const char* const kBarrier =
    "L:\n  ld.global.u32 %r1, [%rd1];\n  bar.sync 0;\n  setp.eq.u32 %p1, %r1, 0;\n  @%p1 bra L;\n";
const char* const kShuffle =
    "L:\n  ld.global.u32 %r1, [%rd1];\n  shfl.sync.idx.b32 %r2|%p2, %r1, 0, 31, -1;\n"
    "  setp.eq.u32 %p1, %r2, 0;\n  @%p1 bra L;\n";
const char* const kAlways = "L:\n  add.u32 %r1, %r1, 1;\n  bra L;\n";

// A launch on a thread of its own.
// Thread: the one that made it.
class Launched {
 public:
  Launched(const std::string& body, const LaunchShape& shape, uint32_t* flag, uint32_t* out)
      : program_(LoadOrFail(Kernel(body))) {
    outcome_ = std::async(std::launch::async, [=, this] {
      return program_->Launch(0, shape, Parameters().Add(flag).Add(out).bytes());
    });
  }

  bool IsOver() { return outcome_.wait_for(milliseconds(0)) == std::future_status::ready; }

  LaunchOutcome Wait() { return outcome_.get(); }

 private:
  std::unique_ptr<Program> program_;
  std::future<LaunchOutcome> outcome_;
};

void LookUntilOver(GridStopper stopper, Launched* launched) {
  for (const uint64_t end = NowNs() + 20'000 * kMs; !launched->IsOver() && NowNs() < end;) {
    stopper.Look();
    std::this_thread::sleep_for(milliseconds(1));
  }
  ASSERT_TRUE(launched->IsOver()) << "the kernel was not ended";
}

class EndlessKernels : public testing::TestWithParam<const char*> {};

TEST_P(EndlessKernels, EndWithTheirOwnerAndNoOthers) {
  TestDevice::Instance().Reset();
  auto* const flags = TestDevice::Instance().New<uint32_t>(4);
  Launched bystander(kVolatile, {.block = {32, 1, 1}, .owner = kOther}, flags + 1, flags + 2);
  Launched endless(GetParam(), {.grid = {3, 1, 1}, .block = {64, 1, 1}, .owner = kOwner}, flags,
                   flags + 3);

  LookUntilOver({kOwner, 30 * kMs}, &endless);

  EXPECT_EQ(endless.Wait().fault, Fault::kStopped);
  EXPECT_FALSE(bystander.IsOver());
  std::atomic_ref<uint32_t>(flags[1]).store(1);
  EXPECT_EQ(bystander.Wait().fault, Fault::kNone);
}

INSTANTIATE_TEST_SUITE_P(Loops,
                         EndlessKernels,
                         testing::Values(kPlain, kVolatile, kBarrier, kShuffle, kAlways));

TEST(RunningGrids, AGridThatGetsOnIsNotEndless) {
  TestDevice::Instance().Reset();
  auto* const flags = TestDevice::Instance().New<uint32_t>(2);
  const std::string some_work =
      "  mov.u32 %r1, 0;\nL:\n  add.u32 %r1, %r1, 1;\n  st.volatile.global.u32 [%rd2], %r1;\n"
      "  setp.lt.u32 %p1, %r1, 100000;\n  @%p1 bra L;\n";
  const uint64_t patience_ns = 150 * kMs;

  // All of it takes longer than the patience, no sixteen blocks of it do.
  uint64_t took_ns = 0;
  for (uint32_t blocks = 6000; took_ns <= patience_ns; blocks *= 2) {
    const uint64_t start = NowNs();
    Launched long_one(some_work, {.grid = {blocks, 1, 1}, .owner = kOwner}, flags, flags + 1);
    LookUntilOver({kOwner, patience_ns}, &long_one);
    took_ns = NowNs() - start;
    ASSERT_EQ(long_one.Wait().fault, Fault::kNone);
  }
}

TEST(RunningGrids, OneBlocksFaultEndsTheOthersThatNeverEnd) {
  TestDevice::Instance().Reset();
  auto* const flags = TestDevice::Instance().New<uint32_t>(2);
  const std::string one_fails =
      std::string("  mov.u32 %r3, %ctaid.x;\n  setp.eq.u32 %p3, %r3, 1;\n  @%p3 st.u32 [8], 1;\n") +
      kPlain;
  Launched launched(one_fails, {.grid = {2, 1, 1}, .cooperative = true}, flags, flags + 1);

  EXPECT_EQ(launched.Wait().fault, Fault::kIllegalAddress);
}

TEST(RunningGrids, AGridThatRunsTooLongIsATimeout) {
  TestDevice::Instance().Reset();
  auto* const flags = TestDevice::Instance().New<uint32_t>(2);
  SetExecutionOptions({.grid_ns_max = 50 * kMs});
  const uint64_t start = NowNs();

  const LaunchOutcome outcome = Launched(kPlain, {.grid = {2, 1, 1}}, flags, flags + 1).Wait();

  SetExecutionOptions({});
  EXPECT_EQ(outcome.fault, Fault::kTimeout);
  EXPECT_GE(NowNs() - start, 50 * kMs);
}

}  // namespace
}  // namespace farlane::soft
