// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/program.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using testing::HasSubstr;

const char* const kHeader = ".version 9.0\n.target sm_75\n.address_size 64\n";

// As a stock compiler writes it.
const char* const kVectorAdd = R"(
.visible .entry vectorAdd(
	.param .u64 vectorAdd_param_0,
	.param .u64 vectorAdd_param_1,
	.param .u64 vectorAdd_param_2,
	.param .u32 vectorAdd_param_3
)
{
	.reg .pred 	%p<2>;
	.reg .f32 	%f<4>;
	.reg .b32 	%r<6>;
	.reg .b64 	%rd<11>;

	ld.param.u64 	%rd1, [vectorAdd_param_0];
	ld.param.u64 	%rd2, [vectorAdd_param_1];
	ld.param.u64 	%rd3, [vectorAdd_param_2];
	ld.param.u32 	%r2, [vectorAdd_param_3];
	mov.u32 	%r3, %ntid.x;
	mov.u32 	%r4, %ctaid.x;
	mov.u32 	%r5, %tid.x;
	mad.lo.s32 	%r1, %r3, %r4, %r5;
	setp.ge.s32 	%p1, %r1, %r2;
	@%p1 bra 	$L__BB0_2;

	cvta.to.global.u64 	%rd4, %rd1;
	mul.wide.s32 	%rd5, %r1, 4;
	add.s64 	%rd6, %rd4, %rd5;
	cvta.to.global.u64 	%rd7, %rd2;
	add.s64 	%rd8, %rd7, %rd5;
	ld.global.f32 	%f1, [%rd8];
	ld.global.f32 	%f2, [%rd6];
	add.f32 	%f3, %f2, %f1;
	cvta.to.global.u64 	%rd9, %rd3;
	add.s64 	%rd10, %rd9, %rd5;
	st.global.f32 	[%rd10], %f3;

$L__BB0_2:
	ret;
}
)";

TEST(Program, AddsVectors) {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  const int count = 100'000;
  float* const a = device.New<float>(count);
  float* const b = device.New<float>(count);
  float* const c = device.New<float>(count);
  for (int i = 0; i < count; ++i) {
    a[i] = static_cast<float>(i) * 0.5f;
    b[i] = static_cast<float>(count - i);
  }
  std::unique_ptr<Program> program = LoadOrFail(std::string(kHeader) + kVectorAdd);
  ASSERT_NE(program, nullptr);
  ASSERT_EQ(program->kernels().size(), 1u);
  EXPECT_EQ(program->kernels()[0].parameter_bytes, 28u);

  const LaunchShape shape{.grid = {(count + 255) / 256, 1, 1}, .block = {256, 1, 1}};
  const LaunchOutcome outcome =
      program->Launch(0, shape, Parameters().Add(a).Add(b).Add(c).Add(count).bytes());

  ASSERT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  for (int i = 0; i < count; ++i) {
    ASSERT_EQ(c[i], a[i] + b[i]) << i;
  }
}

// Runs a kernel of one thread that writes to its only parameter.
std::vector<uint64_t> Results(const std::string& body, size_t count) {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  auto* const out = device.New<uint64_t>(count);
  std::unique_ptr<Program> program = LoadOrFail(std::string(kHeader) +
                                                ".visible .entry k(.param .u64 out)\n{\n"
                                                "  .reg .pred %p<5>;\n  .reg .b16 %h<10>;\n"
                                                "  .reg .b32 %r<20>;\n  .reg .b64 %d<20>;\n"
                                                "  ld.param.u64 %d0, [out];\n" +
                                                body + "  ret;\n}\n");
  if (program == nullptr) {
    return {};
  }
  const LaunchOutcome outcome = program->Launch(0, {}, Parameters().Add(out).bytes());
  EXPECT_EQ(outcome.fault, Fault::kNone) << outcome.detail;
  return {out, out + count};
}

TEST(Program, CarriesRunThroughChains) {
  const std::vector<uint64_t> out = Results(
      "  mov.u64 %d1, -1;\n  mov.u64 %d2, 5;\n"
      "  add.cc.u64 %d3, %d1, 1;\n  addc.u64 %d4, %d2, 0;\n"
      "  sub.cc.u64 %d5, %d3, 1;\n  subc.u64 %d6, %d4, 0;\n"
      "  mov.u32 %r1, -1;\n  mad.lo.cc.u32 %r2, %r1, %r1, 0xffffffff;\n"
      "  madc.hi.u32 %r3, %r1, %r1, 0;\n  cvt.u64.u32 %d7, %r2;\n  cvt.u64.u32 %d8, %r3;\n"
      "  st.global.u64 [%d0], %d3;\n  st.global.u64 [%d0+8], %d4;\n"
      "  st.global.u64 [%d0+16], %d5;\n  st.global.u64 [%d0+24], %d6;\n"
      "  st.global.v2.u64 [%d0+32], {%d7, %d8};\n",
      6);

  // (2^32-1)^2 + 2^32-1 = (2^32-1) * 2^32
  EXPECT_THAT(out, testing::ElementsAre(0, 6, ~0ull, 5, 0, 0xffffffff));
}

TEST(Program, PacksUnpacksAndLooksUpBits) {
  const std::vector<uint64_t> out = Results(
      "  mov.u32 %r1, 0x11112222;\n  mov.u32 %r2, 0x33334444;\n  mov.b64 %d1, {%r1, %r2};\n"
      "  mov.b32 {%h1, %h2}, %r1;\n  mov.b32 %r3, {%h2, %h1};\n"
      "  mov.u32 %r4, 0xff00ff00;\n  mov.u32 %r5, 0xf0f0f0f0;\n  mov.u32 %r6, 0xcccccccc;\n"
      "  lop3.b32 %r7, %r4, %r5, %r6, 0x96;\n  lop3.b32 %r8, %r4, %r5, %r6, 0xca;\n"
      "  st.global.u64 [%d0], %d1;\n  st.global.u32 [%d0+8], %r3;\n"
      "  st.global.u32 [%d0+16], %r7;\n  st.global.u32 [%d0+24], %r8;\n",
      4);

  const uint32_t a = 0xff00ff00;
  const uint32_t b = 0xf0f0f0f0;
  const uint32_t c = 0xcccccccc;
  EXPECT_THAT(out,
              testing::ElementsAre(0x3333444411112222, 0x22221111, a ^ b ^ c, (a & b) | (~a & c)));
}

TEST(Program, BranchesByIndex) {
  const std::vector<uint64_t> out = Results(
      "  mov.u32 %r1, 0;\n  mov.u32 %r2, 0;\nNEXT:\n  setp.gt.u32 %p1, %r1, 2;\n  @%p1 bra END;\n"
      "TABLE: .branchtargets A, B, C;\n  brx.idx %r1, TABLE;\n"
      "A:\n  add.u32 %r2, %r2, 1;\n  bra STEP;\nB:\n  add.u32 %r2, %r2, 20;\n  bra STEP;\n"
      "C:\n  add.u32 %r2, %r2, 300;\nSTEP:\n  add.u32 %r1, %r1, 1;\n  bra NEXT;\nEND:\n"
      "  st.global.u32 [%d0], %r2;\n",
      1);

  EXPECT_THAT(out, testing::ElementsAre(321));
}

}  // namespace
}  // namespace farlane::soft
