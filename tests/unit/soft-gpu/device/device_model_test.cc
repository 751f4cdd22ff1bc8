// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/device_model.h"

#include <gtest/gtest.h>

namespace farlane::soft {
namespace {

TEST(DeviceModel, SaysWhatKernelsAndCopiesTake) {
  const auto model =
      DeviceModel::Parse("kernel=20us,block=1.5us,copy_in=12GB/s,copy_out=500MB/s,memory=1TB/s");
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->OfKernel({4, 2, 1}).ns, 20'000u + 8 * 1'500);
  EXPECT_EQ(model->OfKernel({4, 2, 1}).engine, Engine::kCompute);
  EXPECT_EQ(model->OfCopy(Engine::kCopyIn, 24'000'000).ns, 2'000'000u);
  EXPECT_EQ(model->OfCopy(Engine::kCopyOut, 1).ns, 2u);
  EXPECT_EQ(model->OfCopy(Engine::kCompute, 1'000'000).ns, 1'000u);
}

TEST(DeviceModel, WhatIsNotNamedTakesNoTime) {
  const auto model = DeviceModel::Parse("block=1ms");
  ASSERT_TRUE(model.ok());
  EXPECT_EQ(model->OfKernel({3, 1, 1}).ns, 3'000'000u);
  EXPECT_EQ(model->OfCopy(Engine::kCopyIn, 1 << 30).ns, 0u);
}

TEST(DeviceModel, NoLoadIsLongerThanAnHour) {
  const auto model = DeviceModel::Parse("block=3600s,copy_in=1KB/s");
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->OfKernel({UINT32_MAX, UINT32_MAX, UINT32_MAX}).ns, DeviceModel::kLoadNsMax);
  EXPECT_EQ(model->OfCopy(Engine::kCopyIn, UINT64_MAX).ns, DeviceModel::kLoadNsMax);
}

TEST(DeviceModel, RefusesWhatItCannotMean) {
  for (const char* text :
       {"", "fast", "kernel", "kernel=", "kernel=20", "kernel=20GB/s", "kernel=0us", "kernel=-1us",
        "kernel=nanus", "kernel=1e9s", "kernel=2h", "copy_in=12", "copy_in=12us",
        "copy_in=1e30GB/s", "kernel=20us,", "kernel=20us;block=1us", "blocks=1us"}) {
    const auto model = DeviceModel::Parse(text);
    EXPECT_FALSE(model.ok()) << text;
  }
  EXPECT_NE(DeviceModel::Parse("kernel=1us,block=2").error().message().find("'block=2'"),
            std::string::npos);
}

}  // namespace
}  // namespace farlane::soft
