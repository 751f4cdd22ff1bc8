// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ParseBody, GivesRegistersDenseIdsInOrderOfUse) {
  const Parsed p = ParseKernel(
      ".reg .b32 %r<100>; .reg .pred %p<3>, q; .reg .v4 .f32 v;\n"
      "add.u32 %r99, %r0, %r99;\nsetp.eq.f32 q, v.x, 0f00000000;");
  ASSERT_EQ(p.body.registers.size(), 4u);
  EXPECT_EQ(p.body.NameOfRegister(0), "%r99");
  EXPECT_EQ(p.body.registers[1].index, 0u);
  EXPECT_EQ(p.operand(0, 2).id, 0u);
  EXPECT_EQ(p.body.registers[2].type, Type::kPred);
  EXPECT_EQ(p.body.registers[3].vector, 4);
  EXPECT_EQ(p.operand(1, 1).selector, Selector::kX);
}

TEST(ParseBody, TellsRangesApartWhoseNamesEndInDigits) {
  const Parsed p = ParseKernel(
      ".reg .b32 %a<5>; .reg .b64 %a1<30>; .reg .f32 %a2;\nmov.b64 %a129, %a10;\nmov.b32 %a1, %a0;"
      "mov.f32 %a2, 1.0;");
  EXPECT_EQ(p.body.registers[p.operand(0, 0).id].type, Type::kB64);
  EXPECT_EQ(p.body.registers[p.operand(0, 0).id].index, 29u);
  EXPECT_EQ(p.body.registers[p.operand(1, 0).id].type, Type::kB32);
  EXPECT_EQ(p.body.registers[p.operand(2, 0).id].type, Type::kF32);
}

TEST(ParseBody, KeepsModifiersInOrderAndTypesApart) {
  const Parsed p = ParseKernel(
      ".reg .b32 %r<4>; .reg .b64 %d<2>;\nld.global.L2::128B.v2.u32 {%r0, _}, [%d0];\n"
      "cvt.rn\n .f32 /* c */ .s32 %r1, %r2;\nfuture.op.new_word %r1;");
  EXPECT_THAT(
      std::vector<Modifier>(p.at(0).modifiers.begin(), p.at(0).modifiers.end()),
      ElementsAre(Modifier::kGlobal, Modifier::kL2Bytes128, Modifier::kV2, ToModifier(Type::kU32)));
  EXPECT_EQ(p.operand(0, 0).kind, OperandKind::kVector);
  EXPECT_EQ(p.operand(0, 0).children[1].kind, OperandKind::kSink);
  EXPECT_EQ(p.at(1).type_count, 2);
  EXPECT_EQ(p.at(1).types[0], Type::kF32);
  EXPECT_EQ(p.at(1).types[1], Type::kS32);
  EXPECT_EQ(p.at(2).opcode, Opcode::kUnknown);
  EXPECT_EQ(p.body.NameOf(p.at(2).modifiers[1]), "new_word");
}

TEST(ParseBody, ReadsAddresses) {
  const Parsed p = ParseKernel(
      ".reg .b32 %r<9>; .reg .b64 %d<2>; .local .align 4 .b8 depot[16];\n"
      "ld.u32 %r0, [%d0+-4];\nld.u32 %r0, [%d0 - 8];\nld.u32 %r0, [table+8];\nld.u32 %r0, [64];\n"
      "ld.param.u64 %d1, [p];\nld.u32 %r0, table[3];\nmov.u64 %d0, depot;\nmov.u64 %d0, table+4;\n"
      "tex.2d.v4.s32.f32 {%r0,%r1,%r2,%r3}, [%d0, {%r4, %r5}];\nld.u32 %r0, [%d0].unified;\n"
      "tex.2d.v4.s32.f32 {%r0,%r1,%r2,%r3}, [%d0, %d1, {%r4, %r5}], {1, -2};");
  EXPECT_EQ(p.operand(0, 1).offset, -4);
  EXPECT_EQ(p.operand(1, 1).offset, -8);
  EXPECT_EQ(p.operand(2, 1).ref, Ref::kGlobalVariable);
  EXPECT_EQ(p.operand(3, 1).ref, Ref::kNone);
  EXPECT_EQ(p.operand(3, 1).offset, 64);
  EXPECT_EQ(p.operand(4, 1).ref, Ref::kParameter);
  EXPECT_EQ(p.operand(5, 1).kind, OperandKind::kAddress);
  EXPECT_EQ(p.operand(5, 1).offset, 12);
  EXPECT_EQ(p.operand(6, 1).ref, Ref::kLocalVariable);
  EXPECT_EQ(p.operand(7, 1).kind, OperandKind::kSymbol);
  EXPECT_EQ(p.operand(7, 1).offset, 4);
  ASSERT_EQ(p.operand(8, 1).children.size(), 1u);
  EXPECT_EQ(p.operand(8, 1).children[0].children.size(), 2u);
  EXPECT_EQ(p.operand(10, 1).children.size(), 2u);
  EXPECT_EQ(p.operand(10, 2).children[1].offset, -2);
}

TEST(ParseBody, ReadsPairsNegationsAndSpecialRegisters) {
  const Parsed p = ParseKernel(
      ".reg .b32 %r<9>; .reg .pred %p<4>;\nsetp.lt.and.s32 %p0|%p1, %r0, 1|2, !%p2;\n"
      "shfl.sync.down.b32 %r0|%p0, %r1, 1, 31, -1;\nmov.u32 %r0, %tid.x;\nmov.u32 %r0, %envreg2;\n"
      "vmad.s32.s32.s32 %r0, -%r1.h0, %r2.b3, -%r3;\nvadd4.u32.u32.u32 %r0.b210, %r1.b7654, %r2, "
      "%r3;\n"
      "mov.u32 %r0, WARP_SZ;\nmov.u64 %r0, %clock64;");
  EXPECT_EQ(p.operand(0, 0).kind, OperandKind::kPair);
  EXPECT_EQ(p.operand(0, 2).bits, 3u);
  EXPECT_TRUE(p.operand(0, 3).negated);
  EXPECT_EQ(p.operand(1, 0).children[1].id, p.operand(0, 0).children[0].id);
  EXPECT_EQ(static_cast<SpecialRegister>(p.operand(2, 1).id), SpecialRegister::kTid);
  EXPECT_EQ(p.operand(2, 1).selector, Selector::kX);
  EXPECT_EQ(NameOf(static_cast<SpecialRegister>(p.operand(3, 1).id)), "%envreg2");
  EXPECT_EQ(p.operand(4, 1).selector, Selector::kH0);
  EXPECT_TRUE(p.operand(4, 3).negated);
  EXPECT_EQ(p.operand(5, 0).selector, Selector::kMask);
  EXPECT_EQ(p.operand(6, 1).bits, 32u);
  EXPECT_EQ(NameOf(static_cast<SpecialRegister>(p.operand(7, 1).id)), "%clock64");
}

TEST(ParseBody, GivesEveryCallFourOperands) {
  const Parsed p = ParseKernel(
      ".reg .b64 %d<2>; .reg .b32 %r<2>;\n{ .param .b32 a; .param .b32 r;\ncall.uni (r), callee, "
      "(a);\n"
      "call callee;\ncall callee, (a, %r0, 3);\nproto: .callprototype (.param .b32 _) _ (.param "
      ".b32 _);\n"
      "call (r), %d0, (a), proto;\nset: .calltargets callee;\ncall %d0, set;\n}");
  for (const Instruction& call : p.body.instructions) {
    ASSERT_EQ(call.operands.size(), 4u);
  }
  EXPECT_EQ(p.operand(0, 0).children.size(), 1u);
  EXPECT_EQ(p.operand(0, 1).ref, Ref::kFunction);
  EXPECT_EQ(p.operand(0, 3).kind, OperandKind::kSink);
  EXPECT_TRUE(p.operand(1, 2).children.empty());
  EXPECT_EQ(p.operand(2, 2).children.size(), 3u);
  EXPECT_EQ(p.operand(3, 3).kind, OperandKind::kPrototype);
  EXPECT_EQ(p.operand(3, 1).ref, Ref::kRegister);
  EXPECT_EQ(p.body.prototypes[0].prototype.parameters.size(), 1u);
  EXPECT_EQ(p.operand(4, 3).kind, OperandKind::kCallTable);
}

TEST(ParseBody, SettlesLabelsForwardsAndBackwards) {
  const Parsed p = ParseKernel(
      ".reg .b32 %r0;\nA: bra B;\nB:\nC: bra A;\nT: .branchtargets A, D, C;\nbrx.idx %r0, T;\nD: "
      "ret;\nE:");
  EXPECT_EQ(p.body.labels[p.operand(0, 0).id].name, "B");
  EXPECT_EQ(p.body.labels[p.operand(0, 0).id].instruction, 1u);
  EXPECT_EQ(p.body.labels[p.operand(1, 0).id].instruction, 0u);
  EXPECT_EQ(p.operand(2, 1).kind, OperandKind::kBranchTable);
  EXPECT_EQ(p.body.labels[p.body.branch_tables[0].targets[1]].name, "D");
  EXPECT_EQ(p.body.labels.back().instruction, p.body.instructions.size());
}

TEST(ParseBody, KeepsScopesApart) {
  const Parsed p = ParseKernel(
      ".reg .pred p; .reg .b32 r;\n{ .reg .b32 p; L: mov.u32 p, 1; bra L; { bra M; } M: }\n"
      "{ .reg .b64 p; L: mov.b64 p, 1; bra L; bra OUT; }\n@p mov.u32 r, 2;\nOUT: ret;");
  EXPECT_EQ(p.body.registers[p.operand(0, 0).id].type, Type::kB32);
  EXPECT_EQ(p.body.registers[p.operand(3, 0).id].type, Type::kB64);
  EXPECT_NE(p.operand(1, 0).id, p.operand(4, 0).id);
  EXPECT_EQ(p.body.labels[p.operand(4, 0).id].instruction, 3u);
  EXPECT_EQ(p.body.labels[p.operand(2, 0).id].name, "M");
  EXPECT_EQ(p.body.registers[p.at(6).predicate].type, Type::kPred);
  EXPECT_EQ(p.body.labels[p.operand(5, 0).id].name, "OUT");
}

TEST(ParseBody, AttachesSourceLocations) {
  const Parsed p = ParseKernel(
      "trap;\n.loc 1 10 3\nexit;\n.loc 2 20 5, function_name $L__info_string0, inlined_at 1 10 "
      "3\nret;\n"
      ".pragma \"nounroll\";\nret;");
  EXPECT_EQ(p.at(0).location, kNoIndex);
  EXPECT_EQ(p.body.locations[p.at(1).location].line, 10u);
  EXPECT_EQ(p.body.locations[p.at(2).location].file, 2u);
  EXPECT_THAT(std::string(p.body.locations[p.at(2).location].rest), HasSubstr("inlined_at 1 10 3"));
  EXPECT_EQ(p.body.pragmas[0].instruction, 3u);
}

TEST(ParseBody, MakesRegistersOfRegisterParameters) {
  Result<Module> module = ParseModule(ModuleText(
      ".func (.reg .b32 out) f(.reg .b32 a, .param .b64 b) { add.u32 out, a, 1; ret; }"));
  ASSERT_TRUE(module.ok()) << module.error().message();
  const Result<Body> body = ParseBody(module.value(), module->functions[0]);
  ASSERT_TRUE(body.ok()) << body.error().message();
  EXPECT_EQ(body->return_registers[0], body->instructions[0].operands[0].id);
  EXPECT_EQ(body->parameter_registers[0], body->instructions[0].operands[1].id);
  EXPECT_EQ(body->parameter_registers[1], kNoIndex);
}

TEST(ParseBody, SaysWhereAndWhatItExpected) {
  EXPECT_EQ(ComplaintAbout("mov.u32 %r1, 2;"), "line 7, column 9: unknown name '%r1'");
  EXPECT_EQ(ComplaintAbout(".reg .b32 %r<2>;\nmov.u32 %r2, 2;"),
            "line 8, column 9: '%r2' is not declared: '%r' has 2 registers");
  EXPECT_EQ(ComplaintAbout(".reg .b32 a;\nmov.u32 a, 2\n"),
            "line 10, column 1: expected ';' after an instruction, found '}'");
  EXPECT_EQ(ComplaintAbout(".reg .b32 a;\nmov.u32 a, ;"),
            "line 8, column 12: expected an operand, found ';'");
  EXPECT_EQ(ComplaintAbout("bra nowhere;"), "line 7, column 5: unknown name 'nowhere'");
  EXPECT_EQ(ComplaintAbout("{ L: ret; }\nbra L;"), "line 8, column 5: unknown name 'L'");
  EXPECT_THAT(ComplaintAbout("call nobody;"), HasSubstr("unknown function 'nobody'"));
  EXPECT_THAT(ComplaintAbout(".reg .b32 a; @a ret;"),
              HasSubstr("expected a predicate register, found 'a'"));
  EXPECT_THAT(ComplaintAbout(".reg .b32 a, a;"), HasSubstr("'a' is declared a second time"));
  EXPECT_THAT(ComplaintAbout("L: ret; L: ret;"), HasSubstr("'L' is declared a second time"));
  EXPECT_THAT(ComplaintAbout("ld.u32 _, [nothing];"),
              HasSubstr("unknown name 'nothing' in an address"));
  EXPECT_THAT(ComplaintAbout("T: .branchtargets T;"), HasSubstr("is no label of an instruction"));
  EXPECT_THAT(ComplaintAbout(".callprototype _ ();"), HasSubstr("needs a label"));
}

TEST(ParseBody, RefusesWhatWouldTakeTooMuch) {
  EXPECT_THAT(ComplaintAbout(std::string(1000, '{') + std::string(1000, '}')),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(ComplaintAbout(".reg .b32 %r<4000000000>;"), HasSubstr("at most 4194304 registers"));
  EXPECT_THAT(ComplaintAbout(".reg .b32 %r<99999999999999999999>;"),
              HasSubstr("a number of registers"));
  std::string many = "call callee, (0";
  for (int i = 0; i < 5000; ++i) {
    many += ", 0";
  }
  EXPECT_THAT(ComplaintAbout(many + ");"), HasSubstr("at most 4096 operands"));
  std::string modifiers = "add";
  for (int i = 0; i < 100; ++i) {
    modifiers += ".u32";
  }
  EXPECT_THAT(ComplaintAbout(modifiers + ";"), HasSubstr("too many modifiers"));
}

TEST(ParseBody, TakesUnnamedParameters) {
  Result<Module> module =
      ParseModule(ModuleText(".entry f(.param .u64 _, .param .u32 b) { ret; }"));
  ASSERT_TRUE(module.ok()) << module.error().message();
  EXPECT_TRUE(module->functions[0].parameters[0].name.empty());
  EXPECT_TRUE(ParseBody(module.value(), module->functions[0]).ok());
}

TEST(ParseBody, NeedsABody) {
  Result<Module> module = ParseModule(ModuleText(".func f();"));
  ASSERT_TRUE(module.ok());
  EXPECT_EQ(ParseBody(module.value(), module->functions[0]).error().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace farlane::soft::ptx
