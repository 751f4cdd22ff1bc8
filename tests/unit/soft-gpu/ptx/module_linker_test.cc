// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/module_linker.h"

#include <vector>

#include <gtest/gtest.h>

#include "soft-gpu/ptx/parser.h"

namespace farlane::soft::ptx {
namespace {

constexpr char kHead[] = ".version 8.0\n.target sm_80\n.address_size 64\n";

Result<std::string> Link(const std::vector<std::string>& bodies,
                         Undefined undefined = Undefined::kRefuse) {
  std::vector<LinkInput> inputs;
  for (const std::string& body : bodies) {
    inputs.push_back({"part " + std::to_string(inputs.size() + 1), kHead + body});
  }
  return LinkModules(inputs, undefined);
}

// The linked module, or a failed test.
Module Linked(const std::vector<std::string>& bodies) {
  const Result<std::string> text = Link(bodies);
  EXPECT_TRUE(text.ok()) << text.error().message();
  Result<Module> module = ParseModule(text.ok() ? *text : kHead);
  EXPECT_TRUE(module.ok()) << module.error().message() << "\n" << *text;
  return std::move(module).value();
}

std::string WhyNot(const std::vector<std::string>& bodies) {
  const Result<std::string> text = Link(bodies);
  return text.ok() ? "it links" : text.error().message();
}

TEST(ModuleLinker, DeclarationsFindTheirDefinitionsInEitherOrder) {
  const std::string uses =
      ".extern .global .u32 count;\n.extern .func (.param .b32 r) twice (.param .b32 x);\n"
      ".visible .entry k() { .reg .b32 %r<2>; ld.global.u32 %r1, [count]; ret; }\n";
  const std::string defines =
      ".visible .global .u32 count = 7;\n"
      ".visible .func (.param .b32 r) twice (.param .b32 x) { ret; }\n";
  for (const auto& bodies : {std::vector{uses, defines}, std::vector{defines, uses}}) {
    const Module module = Linked(bodies);
    EXPECT_EQ(module.variables.size(), 1u);
    EXPECT_EQ(module.FindVariableOrNull("count")->initializer, "7");
    EXPECT_TRUE(module.FindFunctionOrNull("twice")->has_body);
    EXPECT_TRUE(ParseBody(module, *module.FindFunctionOrNull("k")).ok());
  }
}

TEST(ModuleLinker, ASecondDefinitionIsRefusedByName) {
  EXPECT_EQ(WhyNot({".visible .global .u32 x;", ".visible .global .u32 x;"}),
            "'x' is defined in part 1 and in part 2");
  EXPECT_EQ(WhyNot({".visible .func f() { ret; }", ".visible .func f() { ret; }"}),
            "'f' is defined in part 1 and in part 2");
  EXPECT_EQ(WhyNot({".visible .entry k() { ret; }", ".visible .entry k() { ret; }"}),
            "'k' is defined in part 1 and in part 2");
}

TEST(ModuleLinker, WeakDefinitionsStandBesideOthers) {
  const Module module =
      Linked({".weak .global .u32 x = 1;\n.weak .func f() { ret; }", ".weak .global .u32 x = 2;",
              ".visible .global .u32 x = 3;\n.visible .func f() { exit; }"});
  EXPECT_EQ(module.FindVariableOrNull("x")->initializer, "3");
  EXPECT_NE(module.FindFunctionOrNull("f")->body.find("exit"), std::string_view::npos);
}

TEST(ModuleLinker, WhatIsDefinedNowhereIsRefusedUnlessTheDeviceHasIt) {
  EXPECT_EQ(WhyNot({".extern .global .u32 x;", ".visible .global .u32 y;"}),
            "'x', which part 1 uses, is defined nowhere");
  EXPECT_EQ(WhyNot({".extern .func f();"}), "'f', which part 1 uses, is defined nowhere");
  EXPECT_EQ(WhyNot({".extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b);"}),
            "it links");
  EXPECT_EQ(WhyNot({".extern .shared .align 16 .b8 tile[];"}), "it links");
  EXPECT_TRUE(Link({".extern .global .u32 x;"}, Undefined::kKeep).ok());
}

TEST(ModuleLinker, WhatAModuleKeepsToItselfStaysItsOwn) {
  const Module module =
      Linked({".global .u32 x = 1;\n.visible .global .u64 first = x;\n.func f() { ret; }\n"
              ".visible .entry one() { call f; ret; }",
              ".global .u32 x = 2;\n.visible .global .u64 second = x;\n.func f() { exit; }\n"
              ".visible .entry two() { .reg .b32 %r<2>; ld.global.u32 %r1, [x]; call f; ret; }",
              ".visible .global .u32 x = 3;\n.visible .entry three() { .reg .b32 x; mov.b32 x, 4; "
              "ret; }"});
  EXPECT_EQ(module.FindVariableOrNull("x")->initializer, "3");
  const auto value_behind = [&](std::string_view pointer) {
    const Variable* variable = module.FindVariableOrNull(pointer);
    return module.FindVariableOrNull(variable->initializer)->initializer;
  };
  EXPECT_EQ(value_behind("first"), "1");
  EXPECT_EQ(value_behind("second"), "2");
  const Result<Body> body = ParseBody(module, *module.FindFunctionOrNull("two"));
  ASSERT_TRUE(body.ok());
  const Operand& loaded = body->instructions[0].operands[1];
  EXPECT_EQ(module.variables[loaded.id].initializer, "2");
  const Operand& callee = body->instructions[1].operands[1];
  EXPECT_NE(module.functions[callee.id].body.find("exit"), std::string_view::npos);
}

TEST(ModuleLinker, AVariableMayHaveTheNameOfAnOpcode) {
  const Module module = Linked({".global .u32 add = 1;",
                                ".global .u32 add = 2;\n.visible .entry k() {\n"
                                ".reg .b32 %r<3>; ld.global.u32 %r1, [add];\n"
                                "add.s32 %r2, %r1, %r1; ret; }"});
  const Result<Body> body = ParseBody(module, *module.FindFunctionOrNull("k"));
  ASSERT_TRUE(body.ok()) << body.error().message();
  EXPECT_EQ(body->instructions[1].opcode, Opcode::kAdd);
  EXPECT_EQ(module.variables[body->instructions[0].operands[1].id].initializer, "2");
}

TEST(ModuleLinker, TheHeadIsThatOfTheLatest) {
  const LinkInput inputs[] = {
      {"a",
       ".version 7.8\n.target sm_90, debug\n.address_size 64\n.visible .entry a() { ret; }\n"
       ".section .debug_info { .b8 1 }\n"},
      {"b",
       "// old\n.version 8.3\n.target sm_80\n.address_size 64\n.visible .entry b() { ret; }\n"}};
  const Result<std::string> text = LinkModules(inputs, Undefined::kRefuse);
  ASSERT_TRUE(text.ok());
  const Module module = ParseModule(*text).value();
  EXPECT_EQ(module.version_major * 10 + module.version_minor, 83);
  EXPECT_EQ(module.target, "sm_90");
  EXPECT_EQ(module.target_options, std::vector<std::string_view>{"debug"});
  EXPECT_TRUE(module.sections.empty());
  EXPECT_EQ(module.functions.size(), 2u);
}

TEST(ModuleLinker, WhatIsNotPtxIsNamed) {
  const LinkInput inputs[] = {{"good", std::string(kHead)}, {"bad", "int main() {}"}};
  const Result<std::string> text = LinkModules(inputs, Undefined::kRefuse);
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message().find("reading bad"), std::string::npos);
  EXPECT_FALSE(LinkModules({}, Undefined::kRefuse).ok());
}

}  // namespace
}  // namespace farlane::soft::ptx
