// SPDX-License-Identifier: Apache-2.0
// Threads that wait are coroutines or fibers; no kernel can tell which.
#include <gtest/gtest.h>

#include "soft-gpu/exec/options.h"
#include "soft-gpu/exec/runtime.h"
#include "soft-gpu/jit/jit_engine.h"
#include "soft-gpu/ptx/parser.h"
#include "soft-gpu/ptx/survey.h"
#include "tests/unit/soft-gpu/jit/kernel_run.h"

namespace farlane::soft {
namespace {

constexpr uint32_t kInputWords = 1024;

// Programs that are loaded while one exists run all waiting threads on stacks, or not.
// Thread: the test's.
class WithFibers {
 public:
  explicit WithFibers(bool only) : before_(CurrentExecutionOptions()) {
    ExecutionOptions options = before_;
    options.fibers_only = only;
    SetExecutionOptions(options);
  }

  ~WithFibers() { SetExecutionOptions(before_); }

 private:
  const ExecutionOptions before_;
};

// All that a launch leaves behind.
struct Traces {
  std::vector<uint32_t> in;
  std::vector<uint32_t> out;
  Fault fault = Fault::kNone;
  std::string detail;
  std::string printed;
};

Traces Run(const std::string& text, const LaunchShape& shape, bool fibers_only) {
  const WithFibers with(fibers_only);
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  const uint32_t words = shape.block[0] * shape.block[1] * shape.block[2] * 8;
  auto* const in = device.New<uint32_t>(kInputWords);
  auto* const out = device.New<uint32_t>(words);
  for (uint32_t i = 0; i < kInputWords; ++i) {
    in[i] = i * 2654435761u;
  }
  Traces traces;
  const std::unique_ptr<Program> program = LoadOrFail(text);
  if (program != nullptr) {
    testing::internal::CaptureStdout();
    LaunchOutcome outcome = program->Launch(0, shape, Parameters().Add(in).Add(out).bytes());
    traces = {{in, in + kInputWords},
              {out, out + words},
              outcome.fault,
              outcome.detail,
              testing::internal::GetCapturedStdout()};
  }
  return traces;
}

// Runs it both ways and gives the traces of either.
Traces RunBothWays(const std::string& text, const LaunchShape& shape) {
  const Traces fibers = Run(text, shape, true);
  Traces coroutines = Run(text, shape, false);
  EXPECT_EQ(coroutines.in, fibers.in);
  EXPECT_EQ(coroutines.out, fibers.out);
  EXPECT_EQ(coroutines.fault, fibers.fault) << coroutines.detail << fibers.detail;
  EXPECT_EQ(coroutines.detail, fibers.detail);
  EXPECT_EQ(coroutines.printed, fibers.printed);
  return coroutines;
}

Traces RunBodyBothWays(const std::string& body, uint32_t threads, const char* declared = "") {
  return RunBothWays(KernelOf(body, declared), {.block = {threads, 1, 1}});
}

// Whether the kernel's threads are coroutines where they may be.
bool IsCoroutine(const std::string& text) {
  const ptx::Module module = ptx::ParseModule(text).value();
  const ptx::KernelLayouts layouts(module, ptx::SurveyModule(module).value(), {});
  const auto engine = jit::JitEngine::Create(RuntimeFunctions(), {}).value();
  uint32_t entry = 0;
  while (!module.functions[entry].is_entry) {
    ++entry;
  }
  return engine->Compile(jit::CollectKernel(module, layouts, entry).value())->start_thread !=
         nullptr;
}

constexpr const char* kTile = ".shared .align 4 .b32 tile[1024];\n";

// %r8: where this thread's word of the tile is. %r1: a value of its own.
constexpr const char* kOwnWord =
    "  shl.b32 %r8, %t, 2;\n  mov.u32 %r9, tile;\n  add.u32 %r8, %r8, %r9;\n"
    "  mul.wide.u32 %d2, %t, 4;\n  add.u64 %d2, %in, %d2;\n  ld.global.u32 %r1, [%d2];\n";

TEST(Waiting, IsTheSameAtBarriersInLoops) {
  const Traces traces = RunBodyBothWays(
      std::string(kOwnWord) +
          "  mov.u32 %r2, 1;\nL:\n  st.shared.u32 [%r8], %r1;\n  bar.sync 0;\n"
          "  setp.lt.u32 %p1, %t, %r2;\n  @%p1 bra S;\n  shl.b32 %r3, %r2, 2;\n"
          "  sub.u32 %r4, %r8, %r3;\n  ld.shared.u32 %r5, [%r4];\n  add.u32 %r1, %r1, %r5;\n"
          "S:\n  bar.sync 0;\n  shl.b32 %r2, %r2, 1;\n  setp.lt.u32 %p2, %r2, 1000;\n"
          "  @%p2 bra L;\n  st.global.u32 [%my], %r1;\n",
      1000, kTile);

  uint32_t sum = 0;
  for (uint32_t i = 0; i < 1000; ++i) {
    sum += traces.in[i];
    ASSERT_EQ(traces.out[i * 8], sum) << i;
  }
}

TEST(Waiting, IsTheSameForShufflesAndVotesOfSomeLanes) {
  for (const uint32_t threads : {1u, 20u, 32u, 33u, 250u}) {
    const Traces traces = RunBodyBothWays(
        std::string(kOwnWord) +
            "  shfl.sync.bfly.b32 %r2|%p1, %r1, 5, 31, -1;\n  st.global.u32 [%my], %r2;\n"
            "  shfl.sync.up.b32 %r3|%p2, %r2, 3, 0, -1;\n  st.global.u32 [%my+4], %r3;\n"
            "  shfl.sync.down.b32 %r3, %r2, 7, 6175, -1;\n  st.global.u32 [%my+8], %r3;\n"
            "  and.b32 %r4, %t, 3;\n  setp.eq.u32 %p3, %r4, 1;\n  @!%p3 bra Q;\n"
            "  setp.gt.s32 %p4, %r1, 0;\n  vote.sync.ballot.b32 %r5, %p4, 0x22222222;\n"
            "  st.global.u32 [%my+12], %r5;\n"
            "  shfl.sync.idx.b32 %r6, %r1, 9, 31, 0x22222222;\n  st.global.u32 [%my+16], %r6;\n"
            "  bra W;\nQ:\n  match.any.sync.b32 %r7, %r4, 0xdddddddd;\n"
            "  st.global.u32 [%my+20], %r7;\n"
            "W:\n  redux.sync.max.s32 %r7, %r1, -1;\n  st.global.u32 [%my+24], %r7;\n"
            "  selp.u32 %r5, 1, 0, %p2;\n  st.global.u32 [%my+28], %r5;\n",
        threads, kTile);
    EXPECT_EQ(traces.fault, Fault::kNone);
  }
}

TEST(Waiting, IsTheSameWhereBarriersReduceAndCount) {
  RunBodyBothWays(
      "  and.b32 %r1, %t, 7;\n  setp.eq.u32 %p1, %r1, 3;\n  bar.red.popc.u32 %r2, 0, %p1;\n"
      "  bar.red.or.pred %p2, 1, %p1;\n  bar.red.and.pred %p3, 0, %p1;\n"
      "  selp.u32 %r3, 1, 0, %p2;\n  selp.u32 %r4, 1, 0, %p3;\n  st.global.u32 [%my], %r2;\n"
      "  st.global.u32 [%my+4], %r3;\n  st.global.u32 [%my+8], %r4;\n",
      200);
  // Half of the warps arrive for those that wait, who come first.
  const Traces traces =
      RunBodyBothWays(std::string(kOwnWord) +
                          "  setp.lt.u32 %p1, %t, 64;\n  @%p1 bra C;\n  st.shared.u32 [%r8], %t;\n"
                          "  bar.arrive 3, 128;\n  bra E;\nC:\n  bar.sync 3, 128;\n"
                          "  ld.shared.u32 %r2, [%r8+256];\n  st.global.u32 [%my], %r2;\nE:\n",
                      128, kTile);
  EXPECT_EQ(traces.out[8 * 5], 69u);
}

TEST(Waiting, IsTheSameAfterSomeThreadsHaveEnded) {
  const Traces traces = RunBodyBothWays(
      "  and.b32 %r1, %t, 1;\n  setp.eq.u32 %p1, %r1, 1;\n  @%p1 exit;\n  bar.sync 0;\n"
      "  vote.sync.ballot.b32 %r2, 1, -1;\n  st.global.u32 [%my], %r2;\n"
      "  setp.gt.u32 %p2, %t, 40;\n  @%p2 ret;\n  bar.sync 0;\n"
      "  activemask.b32 %r3;\n  st.global.u32 [%my+4], %r3;\n",
      100);
  EXPECT_EQ(traces.out[0], 0x55555555u);
}

TEST(Waiting, IsTheSameWhereThreadsTurnUntilMemoryChanges) {
  const Traces traces = RunBodyBothWays(
      "  mov.u32 %r2, 0;\nL:\n  atom.global.cas.b32 %r1, [%in], 0, 1;\n"
      "  setp.ne.u32 %p1, %r1, 0;\n  @%p1 bra L;\n  ld.global.u32 %r3, [%in+4];\n"
      "  nanosleep.u32 20;\n  add.u32 %r3, %r3, 1;\n  st.global.u32 [%in+4], %r3;\n"
      "  atom.global.exch.b32 %r1, [%in], 0;\n  st.global.u32 [%my], %r3;\n",
      96);
  EXPECT_EQ(traces.in[1], 2654435761u + 96);
}

TEST(Waiting, IsTheSameWhereLanesExchangeWithoutBarriers) {
  RunBodyBothWays(std::string(kOwnWord) +
                      "  st.volatile.shared.u32 [%r8], %r1;\n"
                      "  ld.volatile.shared.u32 %r2, [%r8+4];\n  add.u32 %r2, %r2, %r1;\n"
                      "  st.volatile.shared.u32 [%r8], %r2;\n"
                      "  ld.volatile.shared.u32 %r3, [%r8+8];\n  st.global.u32 [%my], %r3;\n",
                  30, kTile);
}

TEST(Waiting, IsTheSameForArraysOfAThread) {
  const Traces traces = RunBodyBothWays(
      "  .local .align 8 .b32 own[512];\n  mov.u32 %r1, 0;\n  mov.u32 %r3, own;\n"
      "L:\n  shl.b32 %r2, %r1, 2;\n  add.u32 %r2, %r2, %r3;\n  mad.lo.u32 %r4, %r1, %t, 1;\n"
      "  st.local.u32 [%r2], %r4;\n  add.u32 %r1, %r1, 1;\n  setp.lt.u32 %p1, %r1, 512;\n"
      "  @%p1 bra L;\n  bar.sync 0;\n  ld.local.u32 %r5, [%r2];\n  st.global.u32 [%my], %r5;\n",
      256);
  EXPECT_EQ(traces.out[8 * 9], 511u * 9 + 1);
}

TEST(Waiting, IsTheSameWhenAThreadFaultsBetweenTwoWaits) {
  const Traces trapped = RunBodyBothWays(
      "  bar.sync 0;\n  st.global.u32 [%my], %t;\n  setp.eq.u32 %p1, %t, 77;\n  @%p1 trap;\n"
      "  bar.sync 0;\n  st.global.u32 [%my+4], %t;\n",
      128);
  EXPECT_EQ(trapped.fault, Fault::kTrap);
  const Traces wild = RunBodyBothWays(
      "  shfl.sync.bfly.b32 %r1, %t, 1, 31, -1;\n  setp.eq.u32 %p1, %t, 40;\n"
      "  mov.u64 %d3, 64;\n  @%p1 st.global.u32 [%d3], %r1;\n  bar.sync 0;\n",
      64);
  EXPECT_EQ(wild.fault, Fault::kIllegalAddress);
  // Nobody is left to come: a device would hang.
  const Traces stuck = RunBodyBothWays(
      "  setp.lt.u32 %p1, %t, 32;\n  @%p1 bar.sync 1, 64;\n  @!%p1 bar.sync 2, 64;\n", 64);
  EXPECT_EQ(stuck.fault, Fault::kTrap);
}

// What it prints shows who ran when.
TEST(Waiting, LetsThreadsRunInTheSameOrder) {
  const std::string text =
      ".version 9.0\n.target sm_80\n.address_size 64\n"
      ".global .align 1 .b8 format[7] = {37, 117, 58, 37, 117, 10, 0};\n"
      ".extern .func (.param .b32 r) vprintf(.param .b64 f, .param .b64 a);\n"
      ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n  .local .align 8 .b32 words[2];\n"
      "  .reg .pred %p<5>;\n  .reg .b32 %r<10>;\n  .reg .b64 %d<10>;\n"
      "  mov.u32 %r1, %tid.x;\n  mov.u32 %r2, 0;\nL:\n  mov.u64 %d1, words;\n"
      "  st.local.u32 [words], %r1;\n  st.local.u32 [words+4], %r2;\n"
      "  cvta.local.u64 %d2, %d1;\n  mov.u64 %d3, format;\n  cvta.global.u64 %d3, %d3;\n  {\n"
      "  .param .b64 f;\n  .param .b64 a;\n  .param .b32 r;\n  st.param.b64 [f], %d3;\n"
      "  st.param.b64 [a], %d2;\n  call.uni (r), vprintf, (f, a);\n  }\n"
      "  shr.u32 %r3, %r1, %r2;\n  and.b32 %r3, %r3, 1;\n  setp.eq.u32 %p1, %r3, 0;\n"
      "  @%p1 bar.warp.sync 0xffffffff;\n  @!%p1 bar.sync 0;\n  @!%p1 bar.warp.sync -1;\n"
      "  @%p1 bar.sync 0;\n  add.u32 %r2, %r2, 1;\n  setp.lt.u32 %p2, %r2, 3;\n"
      "  @%p2 bra L;\n  ret;\n}\n";
  const std::string apart =
      "  @%p1 bar.warp.sync 0xffffffff;\n  @!%p1 bar.sync 0;\n  @!%p1 bar.warp.sync -1;\n"
      "  @%p1 bar.sync 0;\n";
  std::string together = text;
  together.replace(together.find(apart), apart.size(), "  bar.warp.sync -1;\n  bar.sync 0;\n");

  const Traces stuck = RunBothWays(text, {.block = {64, 1, 1}});
  const Traces traces = RunBothWays(together, {.block = {64, 1, 1}});

  EXPECT_EQ(stuck.fault, Fault::kTrap);  // lanes wait for each other in different places
  EXPECT_EQ(traces.fault, Fault::kNone) << traces.detail;
  EXPECT_EQ(traces.printed.substr(0, 8), "0:0\n1:0\n");
}

// A function that waits, called from two places, and one that it calls.
constexpr const char* kWaitingFunctions =
    ".func (.param .b32 r) sum(.param .b32 a)\n{\n  .reg .b32 %x<3>;\n"
    "  .local .align 4 .b32 kept[4];\n  ld.param.b32 %x1, [a];\n  st.local.u32 [kept], %x1;\n"
    "  shfl.sync.bfly.b32 %x2, %x1, 1, 31, -1;\n  ld.local.u32 %x1, [kept];\n"
    "  add.u32 %x1, %x1, %x2;\n  st.param.b32 [r], %x1;\n  ret;\n}\n"
    ".func (.param .b32 r) twice(.param .b32 a)\n{\n  .reg .b32 %x<3>;\n  .reg .pred %p;\n"
    "  ld.param.b32 %x1, [a];\n  setp.eq.u32 %p, %x1, 1000;\n  @%p exit;\n"
    "  {\n  .param .b32 v;\n  .param .b32 w;\n  st.param.b32 [v], %x1;\n"
    "  call.uni (w), sum, (v);\n  ld.param.b32 %x2, [w];\n  }\n  bar.sync 0;\n"
    "  add.u32 %x2, %x2, %x1;\n  st.param.b32 [r], %x2;\n  ret;\n}\n";

std::string CallOf(const char* name, const char* from, const char* to) {
  return std::string("  {\n  .param .b32 a;\n  .param .b32 r;\n  st.param.b32 [a], ") + from +
         ";\n  call.uni (r), " + name + ", (a);\n  ld.param.b32 " + to + ", [r];\n  }\n";
}

TEST(Waiting, IsTheSameInsideOfFunctions) {
  const std::string text =
      KernelOf(CallOf("twice", "%t", "%r1") + CallOf("sum", "%r1", "%r2") +
                   CallOf("twice", "%r2", "%r3") + "  st.global.u32 [%my], %r3;\n",
               kWaitingFunctions);
  const Traces traces = RunBothWays(text, {.block = {64, 1, 1}});

  EXPECT_TRUE(IsCoroutine(text));
  // t -> t + (t + (t ^ 1)); both lanes of a pair added; the same again.
  const auto once = [](uint32_t t) { return 2 * t + (t ^ 1); };
  const auto both = [&](uint32_t t) { return once(t) + once(t ^ 1); };
  EXPECT_EQ(traces.out[8 * 6], 2 * both(6) + both(7));
}

TEST(Waiting, InsideOfAFunctionThatCallsItselfNeedsAStack) {
  const std::string functions =
      ".func (.param .b32 r) down(.param .b32 a)\n{\n  .reg .b32 %x<3>;\n  .reg .pred %p;\n"
      "  ld.param.b32 %x1, [a];\n  mov.b32 %x2, 0;\n  bar.sync 0;\n  setp.eq.u32 %p, %x1, 0;\n"
      "  @%p bra E;\n  sub.u32 %x1, %x1, 1;\n  {\n  .param .b32 v;\n  .param .b32 w;\n"
      "  st.param.b32 [v], %x1;\n  call.uni (w), down, (v);\n  ld.param.b32 %x2, [w];\n  }\n"
      "  add.u32 %x2, %x2, 1;\nE:\n  st.param.b32 [r], %x2;\n  ret;\n}\n";
  const std::string text = KernelOf(
      "  mov.u32 %r2, 9;\n" + CallOf("down", "%r2", "%r1") + "  st.global.u32 [%my], %r1;\n",
      functions);
  const Traces traces = RunBothWays(text, {.block = {40, 1, 1}});

  EXPECT_FALSE(IsCoroutine(text));
  EXPECT_EQ(traces.out[8 * 39], 9u);
}

}  // namespace
}  // namespace farlane::soft
