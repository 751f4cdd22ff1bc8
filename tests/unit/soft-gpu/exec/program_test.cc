// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/program.h"

#include <string>

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

}  // namespace
}  // namespace farlane::soft
