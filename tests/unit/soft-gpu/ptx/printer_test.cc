// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/ptx/printer.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/ptx/parsed.h"

namespace farlane::soft::ptx {
namespace {

using testing::HasSubstr;

std::string Print(const std::string& text) {
  const Result<Module> module = ParseModule(text);
  EXPECT_TRUE(module.ok()) << module.error().message() << "\n" << text;
  if (!module.ok()) {
    return "";
  }
  const Result<std::string> printed = PrintModule(module.value());
  EXPECT_TRUE(printed.ok()) << printed.error().message() << "\n" << text;
  return printed.ok() ? *printed : "";
}

void ExpectFixedPoint(const std::string& text) {
  const std::string once = Print(text);
  EXPECT_EQ(Print(once), once);
}

TEST(Printer, PrintsDeclarationsTheSameTwice) {
  ExpectFixedPoint(
      ModuleText(".file 1 \"a.cu\"\n.pragma \"x\";\n.global .align 8 .u64 t[2] = {g+8, "
                 "generic(g)};\n.global .u32 g;\n"
                 ".global .b8 m[2] = {0xFF(g), 0xFF00(generic(g)+-3)};\n.const .f32 ff[2][2] = "
                 "{{1.5}, {0f7FC00001, 2}};\n"
                 ".const .f64 d = 0dFFF0000000000000;\n.global .f16 h[3] = {1.5, -0.0, "
                 "1e-7};\n.global .v2 .u8 v[2] = {{1,2},{3}};\n"
                 ".global .b128 big = -5;\n.extern .shared .align 16 .b8 dyn[];\n"
                 ".global .samplerref s = {addr_mode_0 = wrap, filter_mode = linear};\n.global "
                 ".attribute(.managed) .u32 man;\n"
                 ".func (.param .b32 r) f(.param .b32 a) .noreturn;\n.func q(.reg .b32 a) { ret; "
                 "}\n.func al;\n.alias al, q;\n"
                 ".visible .entry k(.param .u64 .ptr .global .align 8 p) .maxntid 1, 2, 3 "
                 ".minnctapersm 2 .pragma \"y\"; { ret; }\n"
                 ".weak .entry later(.param .u32 a);\n.section .debug_str { .b8 1 }\n"));
}

TEST(Printer, PrintsArraysWithoutElements) {
  ExpectFixedPoint(ModuleText(".global .u8 a[2][0] = {};\n.global .u8 b[0] = {};"));
}

TEST(Printer, PrintsInstructionsTheSameTwice) {
  ExpectFixedPoint(KernelText(
      ".reg .b32 %r<9>; .reg .b64 %d<4>; .reg .pred %p<4>; .reg .v4 .f32 v;\n.shared .b32 s[4];\n"
      "@!%p0 bra END;\n.loc 1 2 3\nsetp.lt.and.s32 %p0|%p1, %r0, -9223372036854775808, !%p2;\n"
      "END: ret;\n"
      "{ .reg .b32 %r0; .param .b32 a; L: mov.u32 %r0, 3; bra L; call callee, (a); }\n"
      "{ .reg .b32 %r0; .param .b32 a; L: mov.u32 %r0, 4; bra L; call (_), callee, (a); }\n"
      "pr: .callprototype (.param .b32 _) _ (.param .b32 _) .noreturn;\ncall (%r1), %d0, (%r2), "
      "pr;\n"
      "ct: .calltargets callee, callee;\ncall %d0, (1), ct;\n"
      "T: .branchtargets END, END;\nbrx.idx %r0, T;\nld.shared.v2.u32 {%r0, _}, [s+-4];\nst.u32 "
      "[%d0-8], %tid.x;\n"
      "mov.f32 v.x, 0f3F800000;\nmov.f64 %d0, 1.5;\nmov.u32 %r0, 18446744073709551615;\nmov.u64 "
      "%d1, table+4;\n"
      "vmad.s32.s32.s32 %r0, -%r1.h0, %r2.b3, -%r3;\nvadd4.u32.u32.u32 %r0.b210, %r1.b7654, %r2, "
      "%r3;\n"
      "tex.2d.v4.s32.f32 {%r0,%r1,%r2,%r3}, [%d0, %d1, {%r4, %r5}], {1, -2};\nfuture.op.new_word "
      "%r1;\n"));
}

TEST(Printer, GivesDifferentThingsDifferentNames) {
  const std::string printed = Print(KernelText(
      ".reg .b32 a; { .reg .b64 a; mov.b64 a, 1; } mov.b32 a, 2;\n{ L: bra L; } { L: bra L; }"));
  EXPECT_THAT(printed, HasSubstr(".reg .b64 a;"));
  EXPECT_THAT(printed, HasSubstr(".reg .b32 a$1;"));
  EXPECT_THAT(printed, HasSubstr("L$1:\nbra L$1;"));
}

TEST(Printer, PrintsOneInstruction) {
  const Parsed p = ParseKernel(".reg .b32 %r<3>; .reg .pred %p<2>;\n@!%p1 add .u32 %r1,%r2,-3;");
  EXPECT_EQ(PrintInstruction(p.module, *p.module.FindFunctionOrNull("k"), p.body, p.at(0)),
            "@!%p1 add.u32 %r1, %r2, -3;");
}

}  // namespace
}  // namespace farlane::soft::ptx
