// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/device_text.h"

#include <bit>
#include <cstring>

#include <gmock/gmock.h>

#include "soft-gpu/exec/fault_guard.h"
#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using testing::HasSubstr;

// Formats with arguments as a kernel lays them out.
std::string Format(const char* format, const Parameters& arguments) {
  TestDevice& device = TestDevice::Instance();
  device.Reset();
  char* const text = device.New<char>(256);
  std::strncpy(text, format, 255);
  auto* const values = device.New<std::byte>(256);
  std::copy(arguments.bytes().begin(), arguments.bytes().end(), values);
  jit::BlockFrame block;
  block.window_base = device.base();
  block.window_bytes = TestDevice::kWindowBytes;
  DeviceText out;
  out.Print(block, reinterpret_cast<uint64_t>(text), reinterpret_cast<uint64_t>(values));
  return out.Take();
}

TEST(DeviceText, PrintsNumbersOfEveryWidth) {
  EXPECT_EQ(Format("%d|%5u|%-4x|%lld|%c|%%|%.2f", Parameters()
                                                      .Add(-7)
                                                      .Add(42u)
                                                      .Add(255)
                                                      .Add(int64_t{-5'000'000'000})
                                                      .Add(int{'z'})
                                                      .Add(2.345)),
            "-7|   42|ff  |-5000000000|z|%|2.35");
}

TEST(DeviceText, TakesWidthsFromArguments) {
  EXPECT_EQ(Format("[%*d][%.*f]", Parameters().Add(6).Add(12).Add(1).Add(0.25)), "[    12][0.2]");
}

TEST(DeviceText, LeavesAloneWhatIsNoConversion) {
  EXPECT_EQ(Format("100%, right? %", Parameters()), "100%, right? %");
}

TEST(DeviceText, PrintsStringsOfTheDeviceOnly) {
  char* const word = TestDevice::Instance().New<char>(300'000) + 299'000;
  std::strcpy(word, "there");
  EXPECT_EQ(Format("hello %s", Parameters().Add(word)), "hello there");

  static const char* const outside = "the process's own";
  static const Parameters parameters = Parameters().Add(outside);  // guarded code owns nothing
  static std::string printed;
  const std::atomic<bool> never{false};
  const GuardedEnd end =
      RunGuarded([](void*) { printed = Format("%s", parameters); }, nullptr, {never, {}});
  EXPECT_EQ(end.fault, Fault::kIllegalAddress);
  EXPECT_EQ(printed, "");
}

const char* const kAsserting = R"(.version 9.0
.target sm_80
.address_size 64
.extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);
.extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);
.global .align 1 .b8 message[6] = {120, 32, 62, 32, 48, 0};
.global .align 1 .b8 file[5] = {97, 46, 99, 117, 0};
.global .align 1 .b8 format[8] = {105, 115, 32, 37, 100, 10, 0, 0};
.visible .entry k(.param .u32 x)
{
  .local .align 8 .b8 depot[8];
  .reg .pred %p<2>;
  .reg .b32 %r<6>;
  .reg .b64 %rd<6>;
  ld.param.u32 %r1, [x];
  mov.u64 %rd1, depot;
  cvta.local.u64 %rd2, %rd1;
  st.local.u32 [%rd1], %r1;
  mov.u64 %rd3, format;
  {
    .param .b64 param0;
    st.param.b64 [param0], %rd3;
    .param .b64 param1;
    st.param.b64 [param1], %rd2;
    .param .b32 retval0;
    call.uni (retval0), vprintf, (param0, param1);
    ld.param.b32 %r2, [retval0];
  }
  setp.gt.s32 %p1, %r1, 0;
  @%p1 bra DONE;
  mov.u64 %rd4, message;
  mov.u64 %rd5, file;
  {
    .param .b64 param0;
    st.param.b64 [param0], %rd4;
    .param .b64 param1;
    st.param.b64 [param1], %rd5;
    .param .b32 param2;
    st.param.b32 [param2], 17;
    .param .b64 param3;
    st.param.b64 [param3], %rd4;
    .param .b64 param4;
    st.param.b64 [param4], 1;
    call.uni __assertfail, (param0, param1, param2, param3, param4);
  }
DONE:
  ret;
}
)";

TEST(DeviceText, AFailedAssertionSaysWhereAndEndsTheLaunch) {
  TestDevice::Instance().Reset();
  std::unique_ptr<Program> program = LoadOrFail(kAsserting);
  ASSERT_NE(program, nullptr);

  testing::internal::CaptureStdout();
  const LaunchOutcome good = program->Launch(0, {}, Parameters().Add(3).bytes());
  const LaunchOutcome bad = program->Launch(0, {}, Parameters().Add(-3).bytes());
  const std::string printed = testing::internal::GetCapturedStdout();

  EXPECT_EQ(good.fault, Fault::kNone) << good.detail;
  EXPECT_EQ(bad.fault, Fault::kAssert);
  EXPECT_THAT(bad.detail, HasSubstr("a.cu:17"));
  EXPECT_THAT(bad.detail, HasSubstr("x > 0"));
  EXPECT_EQ(printed, "is 3\nis -3\n");
}

}  // namespace
}  // namespace farlane::soft
