// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/optable.h"

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

using testing::HasSubstr;

std::string Check(const std::string& instruction) {
  const Parsed p = ParseKernel(
      ".reg .b32 r, s, t, u; .reg .b64 d, e; .reg .pred p, q; .reg .f32 f, g;\nL:\n" + instruction);
  return CheckInstruction(p.module, p.body, p.at(0)).message();
}

TEST(Optable, HasAFormForEveryOpcode) {
  for (uint16_t i = 1; i < static_cast<uint16_t>(Opcode::kCount); ++i) {
    EXPECT_FALSE(FormsOf(static_cast<Opcode>(i)).empty()) << NameOf(static_cast<Opcode>(i));
  }
  EXPECT_TRUE(FormsOf(Opcode::kUnknown).empty());
}

// Operands that fit the slots of a form, so that its variants can be matched as instructions.
std::vector<Operand> FittingOperands(const Form& form) {
  std::vector<Operand> operands;
  for (const OperandSlot& slot : form.operands) {
    Operand operand;
    operand.kind = slot.role == OperandRole::kAddress     ? OperandKind::kAddress
                   : slot.role == OperandRole::kImmediate ? OperandKind::kImmediate
                   : slot.role == OperandRole::kLabel     ? OperandKind::kLabel
                   : slot.role == OperandRole::kTable     ? OperandKind::kBranchTable
                                                          : OperandKind::kRegister;
    operands.push_back(operand);
  }
  return operands;
}

TEST(Optable, FindsEveryVariantThatItLists) {
  size_t count = 0;
  for (const Form& form : AllForms()) {
    if (form.stage > Stage::kS2) {
      continue;
    }
    const std::vector<Operand> operands = FittingOperands(form);
    ForEachVariant(form, [&](std::span<const Modifier> modifiers) {
      Instruction instruction;
      instruction.opcode = form.opcode;
      instruction.modifiers = modifiers;
      instruction.operands = operands;
      ASSERT_NE(FindFormOrNull(instruction), nullptr) << NameOf(form.opcode) << " " << form.syntax;
      ++count;
    });
  }
  EXPECT_GT(count, 700u);  // a corpus of 735 programs used 708
}

TEST(Optable, AcceptsWhatCompilersWrite) {
  for (const char* good : {"add.s32 r, s, 1;",
                           "add.rn.ftz.f32 f, f, g;",
                           "mad.lo.s32 r, s, t, u;",
                           "mul.wide.u32 d, r, 4;",
                           "mad.hi.cc.u32 r, s, t, u;",
                           "ld.global.nc.L1::no_allocate.L2::128B.v2.u32 {r, s}, [d];",
                           "st.volatile.shared.u32 [r], s;",
                           "cvta.to.global.u64 d, e;",
                           "setp.lt.and.s32 p|q, r, s, !p;",
                           "setp.neu.f32 p, f, 0f00000000;",
                           "selp.b32 r, s, t, p;",
                           "lop3.b32 r, s, t, u, 0x80;",
                           "lop3.or.b32 r|p, s, t, u, 3, q;",
                           "shf.l.wrap.b32 r, s, t, u;",
                           "cvt.rzi.s32.f32 r, f;",
                           "cvt.sat.u8.s32 r, s;",
                           "div.full.f32 f, f, g;",
                           "bra.uni L;",
                           "bar.sync 0;",
                           "bar.red.popc.u32 r, 0, !p;",
                           "bar.red.or.pred q, 0, r, p;",
                           "ret;",
                           "exit;",
                           "atom.global.cas.b32 r, [d], s, t;",
                           "atom.add.noftz.f16x2 r, [d], s;",
                           "vote.sync.ballot.b32 r, p, -1;",
                           "vote.ballot.sync.b32 r, p, -1;",
                           "shfl.sync.idx.b32 r|p, s, t, 31, -1;",
                           "shfl.sync.idx.b32 r, s, t, 31, -1;",
                           "prmt.b32 r, s, t, 0x7531;",
                           "isspacep.shared p, d;",
                           "prefetch.global.L2 [d];",
                           "mov.b64 d, {r, s};",
                           "mov.b64 {r, s}, d;",
                           "mov.u32 r, %tid.x;",
                           "mov.u64 d, table;",
                           "cp.async.wait_group 0;",
                           "nanosleep.u32 20;",
                           "fence.acq_rel.gpu;",
                           "membar.gl;"}) {
    EXPECT_EQ(Check(good), "") << good;
  }
}

TEST(Optable, RefusesWhatPtxDoesNotHave) {
  for (const char* bad :
       {"add.f8 r, s, t;", "add.sat.u32 r, s, t;", "mul.s32 r, s, t;", "add.s32 r, s;",
        "add.s32 3, r, s;", "fma.f32 f, f, f, f;", "shl.u32 r, s, t;", "ld.u32 r, s;", "ret 5;",
        "bra.sync L;", "setp.lo.f32 p, f, f;", "popc.u32 r, s;", "add.s32 !r, s, t;",
        "lop3.b32 r, s, t, u, t;"}) {
    EXPECT_NE(Check(bad), "") << bad;
  }
}

TEST(Optable, NamesWhatItRefuses) {
  EXPECT_THAT(Check("frobnicate.u32 r;"),
              HasSubstr("line 9, column 1: unknown instruction 'frobnicate.u32'"));
  EXPECT_THAT(Check("add.wild.u32 r, s, t;"),
              HasSubstr("unknown modifier '.wild' of 'add.wild.u32'"));
  EXPECT_THAT(Check("add.sat.u32 r, s, t;"), HasSubstr("no combination of modifiers"));
  EXPECT_THAT(Check("add.u32 r, s;"), HasSubstr("does not take these operands"));
}

TEST(Optable, KnowsTheStageOfAnInstruction) {
  const Parsed p = ParseKernel(".reg .b32 r; .reg .b64 d;\nadd.s32 r, r, r;\nbar.sync 0;");
  EXPECT_EQ(FindFormOrNull(p.at(0))->stage, Stage::kS0);
  EXPECT_EQ(FindFormOrNull(p.at(1))->stage, Stage::kS1);
}

TEST(Opcode, IsFoundByItsName) {
  for (uint16_t i = 1; i < static_cast<uint16_t>(Opcode::kCount); ++i) {
    EXPECT_EQ(FindOpcode(NameOf(static_cast<Opcode>(i))), static_cast<Opcode>(i));
  }
  EXPECT_EQ(FindOpcode("movv"), Opcode::kUnknown);
}

TEST(Modifier, IsFoundByItsNameAndNamedOnce) {
  std::set<std::string_view> names;
  for (uint16_t i = 1; i < static_cast<uint16_t>(Modifier::kCount); ++i) {
    const std::string_view name = NameOf(static_cast<Modifier>(i));
    if (!name.empty()) {
      EXPECT_EQ(FindModifier(name), static_cast<Modifier>(i)) << name;
      EXPECT_TRUE(names.insert(name).second) << name;
    }
  }
  EXPECT_EQ(FindModifier("wild"), Modifier::kNone);
}

TEST(SpecialRegister, IsFoundByItsName) {
  for (uint16_t i = 0; i < static_cast<uint16_t>(SpecialRegister::kCount); ++i) {
    const auto special = static_cast<SpecialRegister>(i);
    EXPECT_EQ(FindSpecialRegister(NameOf(special)), special) << NameOf(special);
    EXPECT_NE(InfoOf(special).type, Type::kNone) << NameOf(special);
  }
  EXPECT_EQ(NameOf(SpecialRegister::kEnvreg31), "%envreg31");
  EXPECT_EQ(NameOf(SpecialRegister::kPm7Of64), "%pm7_64");
  EXPECT_FALSE(FindSpecialRegister("%tids"));
}

}  // namespace
}  // namespace farlane::soft::ptx
