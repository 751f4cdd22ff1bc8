// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/survey.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kRegisters =
    "  .reg .pred %p<4>;\n  .reg .b16 %h<4>;\n  .reg .b32 %r<9>;\n  .reg .b64 %d<9>;\n";

std::string Text(const std::string& version, const std::string& body) {
  return ".version " + version + "\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n" +
         kRegisters + body + "  ret;\n}\n";
}

Status Surveyed(const std::string& text) {
  Result<Module> module = ParseModule(text);
  return module.ok() ? ToStatus(SurveyModule(module.value())) : module.error();
}

class Mistake : public testing::TestWithParam<const char*> {};

TEST_P(Mistake, IsFoundWithItsLine) {
  const Status status = Surveyed(Text("8.0", "  " + std::string(GetParam()) + "\n"));

  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("line 1"));
}

INSTANTIATE_TEST_SUITE_P(Bodies,
                         Mistake,
                         testing::Values("add.u32 %r1, %r2, %x;",        // no such register
                                         "add.u32 %r1, %r2, %r9;",       // one too many
                                         "add.u32 %r1, %r2;",            // an operand is missing
                                         "add.u32 %r1, [%d1], %r2;",     // of another kind
                                         "add.u33 %r1, %r2, %r3;",       // no such type
                                         "add.cc.f32 %r1, %r2, %r3;",    // no such combination
                                         "add.rn.u32 %r1, %r2, %r3;",    //
                                         "add.u32 %r1 %r2, %r3;",        // no comma
                                         "add.u32 %r1, %r2, %r3",        // no semicolon
                                         "@%r1 add.u32 %r1, %r2, %r3;",  // no predicate
                                         "bra nowhere;",
                                         "call nobody;",
                                         "ld.global.u32 %r1, %d1;",
                                         "add.u32 %r1, %r2, %d1;",       // a register too wide
                                         "add.u64 %d1, %r2, %d1;",       // or too narrow
                                         "mul.wide.u32 %r1, %r2, %r3;",  //
                                         "shl.b64 %d1, %d2, %d3;",       // the count has 32 bits
                                         "setp.lt.s64 %p1, %d1, %r1;",   //
                                         "cvt.u64.u32 %r1, %r2;",        //
                                         "ld.global.u64 %r1, [%d1];",    //
                                         "st.global.v2.u32 [%d1], {%r1, %h1};",
                                         "st.global.u32 [nothing], %r1;",
                                         "setp.lt.u32 %p1, %r1, {%r1, %r2};",
                                         ".reg .b32 %r<3>;"));

TEST(Survey, LeavesUnknownInstructionsToTheKernelsThatUseThem) {
  EXPECT_TRUE(Surveyed(Text("8.0", "  frobnicate.u32 %r1, %r2;\n")).ok());
  EXPECT_FALSE(Surveyed(Text("9.0", "  add.later.u32 %r1, %r2, %r3;\n")).ok());
}

TEST(Survey, LetsRegistersBeWiderWherePtxDoes) {
  EXPECT_TRUE(Surveyed(Text("8.0",
                            "  ld.global.u8 %r1, [%d1];\n  st.global.u8 [%d1], %d2;\n"
                            "  cvt.u8.u32 %r1, %d2;\n  cvt.s64.s8 %d1, %r2;\n"
                            "  ld.global.v2.u8 {%h1, _}, [%d1];\n"))
                  .ok());
  EXPECT_TRUE(
      Surveyed(Text("8.0",
                    "  mul.wide.u32 %d1, %r1, 3;\n  mad.wide.u32 %d1, %r1, %r2, %d2;\n"
                    "  shl.b64 %d1, %d2, %r3;\n  shr.u16 %h1, %h2, %r1;\n"
                    "  popc.b64 %r1, %d1;\n  selp.b64 %d1, %d2, %d3, %p1;\n"
                    "  mov.b64 {%r1, %r2}, %d1;\n  mov.u32 %r1, %tid.x;\n"
                    "  and.pred %p1, %p2, %p3;\n  setp.eq.and.s16 %p1|%p2, %h1, %h2, %p3;\n"))
          .ok());
}

TEST(Survey, FindsWhoIsCalledAndWhoseAddressIsTaken) {
  const Result<Module> module = ParseModule(
      ".version 8.0\n.target sm_80\n.address_size 64\n.func f() { ret; }\n.func g() { ret; }\n"
      ".func h() { ret; }\n.entry k()\n{\n  .reg .b64 %d;\n  mov.u64 %d, g;\n  call f;\n  call f;\n"
      "  p: .callprototype _ ();\n  call %d, p;\n  ret;\n}\n");
  ASSERT_TRUE(module.ok()) << module.error().message();

  const Result<Survey> survey = SurveyModule(module.value());

  ASSERT_TRUE(survey.ok()) << survey.error().message();
  EXPECT_THAT(survey->taken, ElementsAre(1u));
  EXPECT_THAT(survey->functions[3].callees, ElementsAre(0u));
  EXPECT_THAT(survey->functions[3].shapes, ElementsAre(0u));
  EXPECT_THAT(survey->functions[0].shapes, ElementsAre());
}

uint32_t LiveIn(const std::string& body) {
  const Result<Module> module = ParseModule(Text("8.0", body));
  EXPECT_TRUE(module.ok());
  const Result<Body> parsed = ParseBody(module.value(), module->functions[0]);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message();
  return LiveRegistersMax(parsed.value());
}

TEST(LiveRegisters, AreThoseBetweenFirstAndLastUse) {
  EXPECT_EQ(LiveIn(""), 0u);
  // Each value is used at once: one register is enough.
  EXPECT_EQ(LiveIn("  mov.u32 %r1, 1;\n  mov.u32 %r2, %r1;\n  mov.u32 %r3, %r2;\n"), 1u);
  // Three are waited for by the last instruction; 64 bits count twice, predicates not at all.
  EXPECT_EQ(LiveIn("  mov.u32 %r1, 1;\n  mov.u32 %r2, 1;\n  mov.u64 %d1, 1;\n"
                   "  setp.eq.u32 %p1, %r1, %r2;\n  selp.u32 %r3, %r1, %r2, %p1;\n"
                   "  cvt.u32.u64 %r4, %d1;\n"),
            4u);
}

TEST(LiveRegisters, LastAsLongAsTheLoopThatReadsThem) {
  const std::string before = "  mov.u32 %r1, 1;\n  mov.u32 %r2, 9;\n";
  const std::string inside =
      "  add.u32 %r3, %r1, 1;\n  mov.u32 %r4, %r3;\n  mov.u32 %r5, %r4;\n"
      "  setp.lt.u32 %p1, %r5, %r2;\n";

  EXPECT_EQ(LiveIn(before + inside), 2u);
  // %r1 is read again in the next turn, so it lives next to what the loop computes.
  EXPECT_EQ(LiveIn(before + "again:\n" + inside + "  @%p1 bra again;\n"), 3u);
}

}  // namespace
}  // namespace farlane::soft::ptx
