// SPDX-License-Identifier: Apache-2.0
// Calls through pointers, recursion, and memory that a function takes from its stack.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using testing::HasSubstr;

constexpr const char* kHeader = ".version 8.0\n.target sm_80\n.address_size 64\n";

// Two functions that a pointer may hold, one of another shape, and one whose address nobody takes.
constexpr const char* kFunctions = R"(
.func (.param .b32 r) twice(.param .b32 a)
{
  .reg .b32 %x;
  ld.param.b32 %x, [a];
  add.u32 %x, %x, %x;
  st.param.b32 [r], %x;
  ret;
}
.func (.param .b32 r) square(.param .b32 a)
{
  .reg .b32 %x;
  ld.param.b32 %x, [a];
  mul.lo.u32 %x, %x, %x;
  st.param.b32 [r], %x;
  ret;
}
.func (.param .b32 r) wide(.param .b64 a)
{
  .reg .b32 %x;
  mov.b32 %x, 77;
  st.param.b32 [r], %x;
  ret;
}
.func (.param .b32 r) lonely(.param .b32 a)
{
  .reg .b32 %x;
  mov.b32 %x, 99;
  st.param.b32 [r], %x;
  ret;
}
)";

// out[0] = f(7) with f the function at the address the kernel gets in %f.
std::string CallingKernel(const std::string& name, const std::string& get_address) {
  return ".visible .entry " + name +
         R"((.param .u64 out, .param .u64 pointer)
{
  .reg .b64 %out, %f, %t;
  .reg .b32 %x;
  ld.param.u64 %out, [out];
)" + get_address +
         R"(
  {
    .param .b32 argument;
    .param .b32 result;
    mov.b32 %x, 7;
    st.param.b32 [argument], %x;
    shape: .callprototype (.param .b32 _) _ (.param .b32 _);
    call (result), %f, (argument), shape;
    ld.param.b32 %x, [result];
  }
  st.global.u32 [%out], %x;
  ret;
}
)";
}

LaunchOutcome RunKernel(Program& program,
                        const std::string& kernel,
                        uint32_t* out,
                        uint64_t pointer) {
  return program.Launch(KernelNamed(program, kernel), {},
                        Parameters().Add(out).Add(pointer).bytes());
}

TEST(Call, ReachesTheFunctionWhoseAddressARegisterHolds) {
  std::unique_ptr<Program> program =
      LoadOrFail(kHeader + std::string(kFunctions) + CallingKernel("a", "  mov.u64 %f, twice;\n") +
                 CallingKernel("b", "  mov.u64 %f, square;\n"));
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint32_t>(1);

  EXPECT_EQ(RunKernel(*program, "a", out, 0).fault, Fault::kNone);
  EXPECT_EQ(*out, 14u);
  EXPECT_EQ(RunKernel(*program, "b", out, 0).fault, Fault::kNone);
  EXPECT_EQ(*out, 49u);
}

TEST(Call, ReachesFunctionsThroughATableInMemory) {
  std::unique_ptr<Program> program = LoadOrFail(
      kHeader + std::string(kFunctions) + ".global .align 8 .u64 table[2] = {twice, square};\n" +
      CallingKernel("a", "  ld.global.u64 %f, [table];\n") +
      CallingKernel("b", "  ld.global.u64 %f, [table+8];\n") +
      CallingKernel("given", "  ld.param.u64 %f, [pointer];\n"));
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint32_t>(1);
  const auto* const table = reinterpret_cast<const uint64_t*>(program->globals()[0].address);

  EXPECT_EQ(RunKernel(*program, "a", out, 0).fault, Fault::kNone);
  EXPECT_EQ(*out, 14u);
  EXPECT_EQ(RunKernel(*program, "b", out, 0).fault, Fault::kNone);
  EXPECT_EQ(*out, 49u);
  // The host may read an address and hand it to a kernel.
  EXPECT_NE(table[0], 0u);
  EXPECT_EQ(RunKernel(*program, "given", out, table[0]).fault, Fault::kNone);
  EXPECT_EQ(*out, 14u);
}

TEST(Call, ThroughAPointerToNoFunctionThatFitsIsAFault) {
  std::unique_ptr<Program> program =
      LoadOrFail(kHeader + std::string(kFunctions) +
                 ".global .align 8 .u64 table[3] = {twice, square, wide};\n" +
                 CallingKernel("given", "  ld.param.u64 %f, [pointer];\n"));
  std::unique_ptr<Program> other =
      LoadOrFail(kHeader + std::string(kFunctions) + ".global .align 8 .u64 table[1] = {twice};\n" +
                 CallingKernel("given", "  ld.param.u64 %f, [pointer];\n"));
  ASSERT_NE(program, nullptr);
  ASSERT_NE(other, nullptr);
  auto* const out = TestDevice::Instance().New<uint32_t>(1);
  const auto* const table = reinterpret_cast<const uint64_t*>(program->globals()[0].address);
  const auto* const foreign = reinterpret_cast<const uint64_t*>(other->globals()[0].address);

  for (const uint64_t pointer : {uint64_t{0}, table[0] + 1, table[2], foreign[0],
                                 reinterpret_cast<uint64_t>(out), ~uint64_t{0}}) {
    EXPECT_EQ(RunKernel(*program, "given", out, pointer).fault, Fault::kInvalidCall) << pointer;
  }
  EXPECT_EQ(*out, 0u);
}

TEST(Call, ReachesOnlyTheTargetsThatItLists) {
  const std::string text = R"(
.visible .entry k(.param .u64 out, .param .u64 pointer)
{
  .reg .b64 %out, %f;
  .reg .b32 %x;
  ld.param.u64 %out, [out];
  ld.param.u64 %f, [pointer];
  targets: .calltargets twice;
  {
    .param .b32 argument;
    .param .b32 result;
    mov.b32 %x, 7;
    st.param.b32 [argument], %x;
    call (result), %f, (argument), targets;
    ld.param.b32 %x, [result];
  }
  st.global.u32 [%out], %x;
  ret;
}
)";
  std::unique_ptr<Program> program =
      LoadOrFail(kHeader + std::string(kFunctions) +
                 ".global .align 8 .u64 table[2] = {twice, square};\n" + text);
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint32_t>(1);
  const auto* const table = reinterpret_cast<const uint64_t*>(program->globals()[0].address);

  EXPECT_EQ(RunKernel(*program, "k", out, table[0]).fault, Fault::kNone);
  EXPECT_EQ(*out, 14u);
  EXPECT_EQ(RunKernel(*program, "k", out, table[1]).fault, Fault::kInvalidCall);
}

TEST(Call, OfAnAliasRunsWhatItStandsFor) {
  std::unique_ptr<Program> program =
      LoadOrFail(".version 8.0\n.target sm_80\n.address_size 64\n" + std::string(kFunctions) +
                 ".func (.param .b32 r) other(.param .b32 a);\n.alias other, square;\n" +
                 CallingKernel("pointer", "  mov.u64 %f, other;\n") + R"(
.visible .entry named(.param .u64 out, .param .u64 pointer)
{
  .reg .b64 %out;
  .reg .b32 %x;
  ld.param.u64 %out, [out];
  {
    .param .b32 argument;
    .param .b32 result;
    mov.b32 %x, 5;
    st.param.b32 [argument], %x;
    call (result), other, (argument);
    ld.param.b32 %x, [result];
  }
  st.global.u32 [%out], %x;
  ret;
}
)");
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint32_t>(1);

  EXPECT_EQ(RunKernel(*program, "named", out, 0).fault, Fault::kNone);
  EXPECT_EQ(*out, 25u);
  EXPECT_EQ(RunKernel(*program, "pointer", out, 0).fault, Fault::kNone);
  EXPECT_EQ(*out, 49u);
}

TEST(Call, WithoutAPrototypeFailsOnlyItsKernel) {
  std::string text = CallingKernel("bad", "  mov.u64 %f, twice;\n");
  const std::string prototype = ", shape;";
  text.replace(text.find(prototype), prototype.size(), ";");
  std::unique_ptr<Program> program = LoadOrFail(kHeader + std::string(kFunctions) + text +
                                                CallingKernel("good", "  mov.u64 %f, twice;\n"));
  ASSERT_NE(program, nullptr);

  const Status status = program->Prepare(KernelNamed(*program, "bad"));

  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("call in function bad"));
  EXPECT_TRUE(program->Prepare(KernelNamed(*program, "good")).ok());
}

// out[0] = n! by a function that calls itself, each call with a local variable of its own.
constexpr const char* kRecursive = R"(
.func (.param .b32 r) factorial(.param .b32 a)
{
  .local .align 4 .b8 kept[64];
  .reg .b32 %x, %y;
  .reg .pred %p;
  ld.param.b32 %x, [a];
  st.local.b32 [kept], %x;
  setp.le.u32 %p, %x, 1;
  @%p bra last;
  {
    .param .b32 argument;
    .param .b32 result;
    sub.u32 %y, %x, 1;
    st.param.b32 [argument], %y;
    call (result), factorial, (argument);
    ld.param.b32 %y, [result];
  }
  ld.local.b32 %x, [kept];
  mul.lo.u32 %y, %x, %y;
  st.param.b32 [r], %y;
  ret;
last:
  mov.b32 %y, 1;
  st.param.b32 [r], %y;
  ret;
}
.visible .entry k(.param .u64 out, .param .u32 n)
{
  .reg .b64 %out;
  .reg .b32 %x;
  ld.param.u64 %out, [out];
  ld.param.u32 %x, [n];
  {
    .param .b32 argument;
    .param .b32 result;
    st.param.b32 [argument], %x;
    call (result), factorial, (argument);
    ld.param.b32 %x, [result];
  }
  st.global.u32 [%out], %x;
  ret;
}
)";

TEST(Call, ARecursiveFunctionHasLocalVariablesOfEachOfItsCalls) {
  std::unique_ptr<Program> program = LoadOrFail(kHeader + std::string(kRecursive));
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint32_t>(1);

  EXPECT_EQ(program->Launch(0, {}, Parameters().Add(out).Add(10u).bytes()).fault, Fault::kNone);
  EXPECT_EQ(*out, 3628800u);
  EXPECT_EQ(program->Launch(0, {}, Parameters().Add(out).Add(100000u).bytes()).fault,
            Fault::kStackOverflow);
  EXPECT_EQ(program->Launch(0, {}, Parameters().Add(out).Add(4u).bytes()).fault, Fault::kNone);
  EXPECT_EQ(*out, 24u);
}

// Sums 0 … n-1 in an array it takes with alloca; what it calls takes one too, and gives it back.
constexpr const char* kAlloca = R"(
.func spoil()
{
  .reg .b64 %a;
  .reg .b32 %x;
  alloca.u64 %a, 128, 16;
  mov.b32 %x, -1;
  st.local.b32 [%a], %x;
  ret;
}
.visible .entry k(.param .u64 out, .param .u64 n)
{
  .reg .b64 %out, %n, %a, %b, %c, %top, %i, %bytes;
  .reg .b32 %x, %s;
  .reg .pred %p;
  ld.param.u64 %out, [out];
  ld.param.u64 %n, [n];
  shl.b64 %bytes, %n, 2;
  stacksave.u64 %top;
  alloca.u64 %a, %bytes;
  mov.u64 %i, 0;
  mov.u64 %b, %a;
fill:
  setp.ge.u64 %p, %i, %n;
  @%p bra filled;
  cvt.u32.u64 %x, %i;
  st.local.u32 [%b], %x;
  call spoil;
  add.u64 %b, %b, 4;
  add.u64 %i, %i, 1;
  bra fill;
filled:
  mov.u32 %s, 0;
  mov.u64 %i, 0;
  mov.u64 %b, %a;
sum:
  setp.ge.u64 %p, %i, %n;
  @%p bra summed;
  ld.local.u32 %x, [%b];
  add.u32 %s, %s, %x;
  add.u64 %b, %b, 4;
  add.u64 %i, %i, 1;
  bra sum;
summed:
  stackrestore.u64 %top;
  alloca.u64 %c, 8;
  sub.u64 %c, %c, %a;
  st.global.u32 [%out], %s;
  st.global.u64 [%out+8], %c;
  ret;
}
)";

TEST(Alloca, GivesMemoryUntilItIsRestoredOrItsFunctionReturns) {
  std::unique_ptr<Program> program = LoadOrFail(kHeader + std::string(kAlloca));
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint64_t>(2);

  EXPECT_EQ(program->Launch(0, {}, Parameters().Add(out).Add(uint64_t{1000}).bytes()).fault,
            Fault::kNone);
  EXPECT_EQ(static_cast<uint32_t>(out[0]), 499500u);
  EXPECT_EQ(out[1], 0u);
}

TEST(Alloca, OfMoreThanThereIsIsAStackOverflow) {
  std::unique_ptr<Program> program = LoadOrFail(kHeader + std::string(kAlloca));
  ASSERT_NE(program, nullptr);
  auto* const out = TestDevice::Instance().New<uint64_t>(2);

  for (const uint64_t count : {uint64_t{1} << 20, ~uint64_t{0} / 4, uint64_t{1} << 62}) {
    const LaunchOutcome outcome = program->Launch(0, {}, Parameters().Add(out).Add(count).bytes());
    // 2^62 elements are 0 bytes, whose first store already lies outside.
    EXPECT_NE(outcome.fault, Fault::kNone) << count;
  }
}

}  // namespace
}  // namespace farlane::soft
