// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/ptx_index.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace farlane::abi {
namespace {

constexpr std::string_view kHead = ".version 8.3\n.target sm_80\n.address_size 64\n";

constexpr std::string_view kModule = R"(
//
// A comment with a } and a "quote
//
.version 8.3
.target sm_90a, debug
.address_size 64
	.file	1 "/somewhere/a;{b.cu"
.extern .func  (.param .b32 func_retval0) vprintf
(
	.param .b64 vprintf_param_0,
	.param .b64 vprintf_param_1
)
;
.extern .shared .align 16 .b8 shared_memory[];
.extern .global .align 4 .u32 elsewhere;
.global .align 4 .b8 table[16] = {1, 0, 0, 0, 2, 0, 0, 0, 3};
.visible .const .align 8 .f64 matrix[2][3];
.global .attribute(.managed) .align 8 .u64 shared_counter;
.weak .global .v4 .f32 quad, other;
.global .align 1 .b8 text[] = {104, 105, 0};
.global .texref picture;
.global .u64 pointer = generic(table);

.func (.param .b32 result) callee(.param .b32 x)
{
	.pragma "nounroll } {";
	{ .reg .u32 t; /* } */ mov.u32 t, 0; } // }
	ret;
}

.visible .entry scale(
	.param .u32 scale_param_0,
	.param .u8 scale_param_1,
	.param .align 8 .b8 scale_param_2[12],
	.param .u64 .ptr .global .align 16 scale_param_3,
	.param .u16 scale_param_4
)
.maxntid 256, 1, 1
.minnctapersm 2
{
	.reg .b32 %r<3>;
	ld.param.u32 %r1, [scale_param_0];
	@%p1 bra $L__BB0_2;
	.loc 1 3 5
	ret;
}
.weak .entry nothing()
{
	ret;
}
.entry bare { ret; }
.visible .entry declared(.param .u32 a);
.section	.debug_str
{
$L__info_string0:
.b8 78, 86
}
)";

Result<ModuleIndex> Index(std::string_view text) {
  return IndexPtx(std::as_bytes(std::span(text)));
}

TEST(PtxIndex, ListsKernelsWithTheirParameters) {
  const auto index = Index(kModule);
  ASSERT_TRUE(index.ok()) << index.error().message();
  EXPECT_EQ(index->architecture, 90u);
  ASSERT_EQ(index->kernels.size(), 3u);
  EXPECT_EQ(index->kernels[0].name, "scale");
  const std::vector<KernelParameter> parameters = {{0, 4}, {4, 1}, {8, 12}, {24, 8}, {32, 2}};
  EXPECT_EQ(index->kernels[0].parameters, parameters);
  EXPECT_EQ(index->kernels[0].parameter_bytes, 34u);
  EXPECT_EQ(index->kernels[1].name, "nothing");
  EXPECT_TRUE(index->kernels[1].parameters.empty());
  EXPECT_EQ(index->kernels[2].name, "bare");
}

TEST(PtxIndex, ListsTheVariablesThatTheModuleDefines) {
  const auto index = Index(kModule);
  ASSERT_TRUE(index.ok()) << index.error().message();
  std::string listed;
  for (const ModuleVariable& variable : index->variables) {
    listed += variable.name + ":" + std::to_string(variable.bytes);
    listed += variable.space == VariableSpace::kConstant ? "c" : "";
    listed += variable.managed ? "m " : " ";
  }
  EXPECT_EQ(listed, "table:16 matrix:48c shared_counter:8m quad:16 other:16 text:3 pointer:8 ");
}

TEST(PtxIndex, ReadsTheHead) {
  const auto head = [](std::string_view text) {
    return ReadPtxHead(std::as_bytes(std::span(text)));
  };
  const auto exact = head(kModule);
  ASSERT_TRUE(exact.ok());
  EXPECT_EQ(exact->version_major, 8u);
  EXPECT_EQ(exact->version_minor, 3u);
  EXPECT_EQ(exact->architecture, 90u);
  EXPECT_EQ(exact->scope, ArchScope::kExact);
  EXPECT_EQ(head(".version 9.0 .target sm_100f")->scope, ArchScope::kFamily);
  EXPECT_EQ(head(".version 7.0 .target sm_121")->architecture, 121u);
  EXPECT_EQ(head(".version 7.0 .target sm_121")->scope, ArchScope::kForward);

  for (const std::string_view bad :
       {"", ".target sm_80", ".version 8", ".version x.y .target sm_80", ".version 8.0",
        ".version 8.0 .target compute_80", ".version 8.0 .target sm_",
        ".version 8.0 .target sm_99999"}) {
    EXPECT_FALSE(head(bad).ok()) << bad;
  }
}

TEST(PtxIndex, EndsAtTheFirstNul) {
  const std::string text = std::string(kHead) + ".entry k() { ret; }" + '\0' + "} garbage {";
  const auto index = Index(text);
  ASSERT_TRUE(index.ok()) << index.error().message();
  EXPECT_EQ(index->kernels.size(), 1u);
}

TEST(PtxIndex, RefusesWhatMakesNoSense) {
  for (const std::string_view bad : {".entry k(.param .u32) { ret; }",
                                     ".entry k(.u32 a) { ret; }",
                                     ".entry k(",
                                     ".entry",
                                     ".entry k(.param .u32 a .param .u32 b) { ret; }",
                                     ".entry k() { ret; ",
                                     ".entry k()",
                                     ".entry k(.param .align 3 .b8 a[4]) { ret; }",
                                     ".entry k(.param .b8 a[]) { ret; }",
                                     ".entry k(.param .b8 a[18446744073709551615]) { ret; }",
                                     ".entry k(.param .b64 a[2305843009213693952]) { ret; }",
                                     ".global .u32",
                                     ".global x;",
                                     ".global .u32 x",
                                     ".global .u32 x[;",
                                     ".global .u32 x y;",
                                     ".global .b8 x[] = {1, 2",
                                     ".global .b64 x[4294967296][4294967296];",
                                     "mov.u32 a, b;",
                                     "}",
                                     ".func f"}) {
    const auto index = Index(std::string(kHead) + std::string(bad));
    EXPECT_EQ(index.error().code(), StatusCode::kCorrupt) << bad;
  }
}

TEST(PtxIndex, SurvivesACutAnywhere) {
  const auto whole = Index(kModule);
  ASSERT_TRUE(whole.ok());
  for (size_t size = 0; size < kModule.size(); ++size) {
    const std::string cut(kModule.substr(0, size));
    const auto index = IndexPtx(std::as_bytes(std::span(cut.data(), cut.size())));
    if (index.ok()) {
      EXPECT_LE(index->kernels.size(), whole->kernels.size()) << size;
    }
  }
}

TEST(PtxIndex, SurvivesDamageAnywhere) {
  for (size_t offset = 0; offset < kModule.size(); ++offset) {
    for (const char c : {'{', '}', '"', '/', '\0', '[', '.', '9'}) {
      std::string damaged(kModule);
      damaged[offset] = c;
      static_cast<void>(Index(damaged).ok());
    }
  }
}

}  // namespace
}  // namespace farlane::abi
