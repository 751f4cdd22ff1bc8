// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Module Parse(const std::string& declarations) {
  Result<Module> module = ParseModule(ModuleText(declarations));
  EXPECT_TRUE(module.ok()) << module.error().message();
  return module.ok() ? std::move(module).value() : Module{};
}

TEST(ParseModule, ReadsTheHead) {
  const Result<Module> module = ParseModule(
      std::string(".version 9.0\r\n.target sm_120a, debug\r\n.address_size 64\r\n\0\0", 57));
  ASSERT_TRUE(module.ok()) << module.error().message();
  EXPECT_EQ(module->version_major, 9);
  EXPECT_EQ(module->target, "sm_120a");
  EXPECT_EQ(module->target_arch, 120u);
  EXPECT_THAT(module->target_options, ElementsAre("debug"));
  EXPECT_EQ(module->address_size, 64u);
}

TEST(ParseModule, RefusesTextThatIsNotPtx) {
  EXPECT_FALSE(ParseModule("").ok());
  EXPECT_FALSE(ParseModule("hello").ok());
  EXPECT_FALSE(ParseModule(".target sm_80").ok());
  EXPECT_FALSE(ParseModule(".version 8.0").ok());
  EXPECT_FALSE(ParseModule(std::string("\x7f"
                                       "ELF\2\1\1\0\0",
                                       9))
                   .ok());
}

TEST(ParseModule, ReadsVariables) {
  const Module module = Parse(
      ".visible .global .align 8 .b8 a[3][5];\n.extern .shared .align 16 .b8 dyn[];\n"
      ".const .v4 .f32 c = {1, 2, 3, 4};\n.global .u32 x = 1, y[2];\n.weak .global .f64 w;\n"
      ".common .global .u8 m;\n.global .attribute(.managed) .align 4 .u32 man;\n"
      ".global .texref t;\n.global .samplerref s = {addr_mode_0 = wrap, filter_mode = linear};\n"
      ".global .surfref f;\n.tex .u32 old;\n.const[3] .u32 banked;\n.global .u16 open[] = {1, 2, "
      "3};\n");
  ASSERT_EQ(module.variables.size(), 14u);
  const Variable& a = *module.FindVariableOrNull("a");
  EXPECT_EQ(a.linkage, Linkage::kVisible);
  EXPECT_THAT(a.dimensions, ElementsAre(3u, 5u));
  EXPECT_EQ(a.SizeOf(), 15u);
  EXPECT_EQ(a.AlignOf(), 8u);
  EXPECT_TRUE(module.FindVariableOrNull("dyn")->is_unsized);
  EXPECT_EQ(module.FindVariableOrNull("dyn")->space, Space::kShared);
  EXPECT_EQ(module.FindVariableOrNull("c")->AlignOf(), 16u);
  EXPECT_TRUE(module.FindVariableOrNull("man")->is_managed);
  EXPECT_EQ(module.FindVariableOrNull("banked")->const_bank, 3);
  EXPECT_EQ(module.FindVariableOrNull("open")->SizeOf(), 6u);
  EXPECT_EQ(module.FindVariableOrNull("t")->type, Type::kTexref);
}

TEST(ParseModule, ReadsKernelsWithTheirDirectives) {
  const Module module = Parse(
      ".visible .entry k(.param .u64 .ptr .global .align 16 p, .param .align 4 .b8 s[12])\n"
      ".maxntid 128, 2\n.minnctapersm 3 .maxnreg 64 .reqnctapercluster 2, 1, 1 .explicitcluster\n"
      ".maxclusterrank 8 .pragma \"nounroll\";\n{ ret; }\n");
  const Function& k = *module.FindFunctionOrNull("k");
  EXPECT_TRUE(k.is_entry && k.has_body);
  EXPECT_EQ(k.directives.maxntid, (Extent{128, 2, 1}));
  EXPECT_EQ(k.directives.minnctapersm, 3u);
  EXPECT_EQ(k.directives.maxnreg, 64u);
  EXPECT_EQ(k.directives.reqnctapercluster, (Extent{2, 1, 1}));
  EXPECT_TRUE(k.directives.explicitcluster);
  EXPECT_THAT(k.directives.pragmas, ElementsAre("nounroll"));
  ASSERT_EQ(k.parameters.size(), 2u);
  EXPECT_TRUE(k.parameters[0].is_pointer);
  EXPECT_EQ(k.parameters[0].pointer_align, 16u);
  EXPECT_EQ(k.parameters[1].SizeOf(), 12u);
}

TEST(ParseModule, JoinsPrototypesWithDefinitions) {
  const Module module = Parse(
      ".func (.param .b32 r) f(.param .b32 a);\n.extern .func g(.param .b64 a) .noreturn;\n"
      ".func (.param .b32 r) f(.param .b32 a) { ret; }\n.func h;\n.alias h, f;\n");
  ASSERT_EQ(module.functions.size(), 3u);
  EXPECT_TRUE(module.FindFunctionOrNull("f")->has_body);
  EXPECT_TRUE(module.FindFunctionOrNull("g")->directives.noreturn);
  EXPECT_EQ(module.functions[module.FindFunctionOrNull("h")->alias_of].name, "f");
}

TEST(ParseModule, KeepsTheFirstOfTwoWeakDefinitions) {
  const Module module = Parse(
      ".weak .func f() { exit; }\n.weak .func f() { ret; }\n.weak .global .u32 v = 1;\n"
      ".weak .global .u32 v = 2;\n.extern .global .u32 e;\n.global .u32 e = 5;");
  EXPECT_THAT(std::string(module.FindFunctionOrNull("f")->body), HasSubstr("exit"));
  EXPECT_EQ(module.FindVariableOrNull("v")->initializer, "1");
  EXPECT_EQ(module.FindVariableOrNull("e")->initializer, "5");
}

TEST(ParseModule, RefusesSecondDefinitions) {
  EXPECT_THAT(ComplaintAboutModule(".global .u32 a;\n.global .u32 a;"),
              HasSubstr("'a' is defined a second time"));
  EXPECT_THAT(ComplaintAboutModule(".func f() {}\n.func f() {}"), HasSubstr("second time"));
  EXPECT_THAT(ComplaintAboutModule(".func f();\n.global .u32 f;"), HasSubstr("second time"));
}

TEST(ParseModule, StepsOverDebugInformation) {
  const Module module = Parse(
      ".file 1 \"a.cu\", 1234, 56\n.file 2 \"b.cu\"\n.section .debug_str\n{\n$L_x:\n.b8 1,2,3\n}\n"
      "@@DWARF .section .old\n.pragma \"nounroll\";\n.section .debug_loc { }\n.loc 1 2 3\n");
  EXPECT_EQ(module.files.size(), 2u);
  EXPECT_EQ(module.files[1].name, "b.cu");
  ASSERT_EQ(module.sections.size(), 2u);
  EXPECT_EQ(module.sections[0].name, "debug_str");
}

TEST(ParseModule, SaysWhereItFails) {
  EXPECT_EQ(ComplaintAboutModule(".global .u32 ;"),
            "line 4, column 14: expected a name, found ';'");
  EXPECT_THAT(ComplaintAboutModule(".entry k() { ret;"),
              HasSubstr("line 4, column 12: the '{' of 'k' is never closed"));
  EXPECT_THAT(ComplaintAboutModule("\n\n.global foo;"),
              HasSubstr("line 6, column 9: expected a type"));
  EXPECT_THAT(ComplaintAboutModule(".reg .b32 %r;"), HasSubstr("inside a function"));
  EXPECT_THAT(ComplaintAboutModule(".global .u8 x[] = , y;"),
              HasSubstr("expected an initial value"));
  EXPECT_THAT(ComplaintAboutModule(".nonsense 3"), HasSubstr("expected a directive"));
}

TEST(ParseModule, RefusesSizesThatNoDeviceHas) {
  EXPECT_THAT(ComplaintAboutModule(".global .u64 a[1000000000000];"), HasSubstr("larger than"));
  EXPECT_THAT(ComplaintAboutModule(".global .u8 a[4294967296][4294967296][2];"),
              HasSubstr("larger than"));
  EXPECT_THAT(ComplaintAboutModule(".global .u8 a[-1];"), HasSubstr("negative"));
  EXPECT_THAT(ComplaintAboutModule(".global .align 3 .u8 a;"), HasSubstr("power of two"));
}

}  // namespace
}  // namespace farlane::soft::ptx
