// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/config.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "protocol/base/bytes.h"

namespace farlane::soft {
namespace {

// The environment as the test found it comes back at its end.
class ConfigTest : public testing::Test {
 protected:
  ~ConfigTest() override {
    for (const char* name :
         {"FARLANE_SOFT_DEVICES", "FARLANE_SOFT_MEMORY", "FARLANE_SOFT_CC", "FARLANE_SOFT_NULL",
          "FARLANE_SOFT_CHECK", "FARLANE_SOFT_TIER", "FARLANE_SOFT_TIMEOUT", "FARLANE_SOFT_THREADS",
          "FARLANE_SOFT_MODEL", "FARLANE_SOFT_BUSY_LOG", "CUDA_CACHE_DISABLE", "CUDA_CACHE_PATH",
          "CUDA_CACHE_MAXSIZE", "FARLANE_SOFT_MIG", "CUDA_VISIBLE_DEVICES"}) {
      unsetenv(name);
    }
  }
};

TEST_F(ConfigTest, HasDefaults) {
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->device_count, 1u);
  EXPECT_EQ(config->cc_major * 10 + config->cc_minor, 121);
  EXPECT_GE(config->memory_bytes, 2_MiB);
  EXPECT_LE(config->memory_bytes, 4_GiB);
  EXPECT_FALSE(config->null_mode);
}

TEST_F(ConfigTest, FollowsTheEnvironment) {
  setenv("FARLANE_SOFT_DEVICES", "3", 1);
  setenv("FARLANE_SOFT_MEMORY", "65Mi", 1);
  setenv("FARLANE_SOFT_CC", "8.0", 1);
  setenv("FARLANE_SOFT_NULL", "1", 1);
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->device_count, 3u);
  EXPECT_EQ(config->memory_bytes, 64_MiB);  // whole frames
  EXPECT_EQ(config->cc_major, 8);
  EXPECT_EQ(config->cc_minor, 0);
  EXPECT_TRUE(config->null_mode);
}

TEST_F(ConfigTest, RefusesWhatItCannotMean) {
  for (const char* count : {"0", "17", "two", "1x", "-1"}) {
    setenv("FARLANE_SOFT_DEVICES", count, 1);
    EXPECT_FALSE(ReadConfig().ok()) << count;
  }
  unsetenv("FARLANE_SOFT_DEVICES");
  for (const char* capability : {"12", "12.", ".1", "8.0a", "4.9"}) {
    setenv("FARLANE_SOFT_CC", capability, 1);
    EXPECT_FALSE(ReadConfig().ok()) << capability;
  }
}

TEST_F(ConfigTest, SaysHowKernelsAreRun) {
  setenv("FARLANE_SOFT_CHECK", "1", 1);
  setenv("FARLANE_SOFT_TIER", "scalar", 1);
  setenv("FARLANE_SOFT_TIMEOUT", "3", 1);
  setenv("FARLANE_SOFT_THREADS", "5", 1);
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_TRUE(config->execution.check);
  EXPECT_EQ(config->execution.grid_ns_max, 3'000'000'000u);
  EXPECT_EQ(config->execution.threads, 5u);
}

TEST_F(ConfigTest, RunsThreadsThatWaitOnStacksOnlyIfTold) {
  EXPECT_FALSE(ReadConfig()->execution.fibers_only);
  setenv("FARLANE_SOFT_TIER", "fibers", 1);
  EXPECT_TRUE(ReadConfig()->execution.fibers_only);
}

TEST_F(ConfigTest, NamesTheVariableThatCannotBe) {
  const std::pair<const char*, const char*> wrong[] = {{"FARLANE_SOFT_TIER", "warp"},
                                                       {"FARLANE_SOFT_TIMEOUT", "0"},
                                                       {"FARLANE_SOFT_TIMEOUT", "1.5"},
                                                       {"FARLANE_SOFT_THREADS", "many"},
                                                       {"FARLANE_SOFT_MODEL", "kernel=20"}};
  for (const auto& [name, value] : wrong) {
    setenv(name, value, 1);
    const auto config = ReadConfig();
    ASSERT_FALSE(config.ok()) << name;
    EXPECT_NE(config.error().message().find(std::string(name) + "=" + value), std::string::npos);
    unsetenv(name);
  }
}

TEST_F(ConfigTest, DividesDevicesIntoInstances) {
  setenv("FARLANE_SOFT_MIG", "3", 1);
  setenv("FARLANE_SOFT_DEVICES", "2", 1);
  setenv("FARLANE_SOFT_MEMORY", "64Mi", 1);
  setenv("FARLANE_SOFT_THREADS", "6", 1);
  auto config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->memory_bytes, 20_MiB);
  EXPECT_EQ(config->device_count, 2u) << "as NVML counts";
  setenv("CUDA_VISIBLE_DEVICES", "1", 1);
  ASSERT_TRUE(ChooseInstance(&*config).ok());
  EXPECT_EQ(config->device_count, 1u);
  EXPECT_EQ(config->instance, std::optional<uint32_t>(3));
  EXPECT_EQ(config->execution.threads, 2u);
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_FALSE(ChooseInstance(&*config).ok()) << "an empty list names nothing";
}

TEST_F(ConfigTest, ModelsTimeOnlyIfTold) {
  EXPECT_FALSE(ReadConfig()->model.has_value());
  setenv("FARLANE_SOFT_MODEL", "0", 1);
  EXPECT_FALSE(ReadConfig()->model.has_value());
  setenv("FARLANE_SOFT_MODEL", "kernel=20us", 1);
  setenv("FARLANE_SOFT_BUSY_LOG", "/somewhere/busy", 1);
  const auto config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->model->OfKernel({1, 1, 1}).ns, 20'000u);
  EXPECT_EQ(config->busy_log_path, "/somewhere/busy");
}

TEST_F(ConfigTest, RefusesARecordOfEnginesThatAreNotThere) {
  setenv("FARLANE_SOFT_BUSY_LOG", "/somewhere/busy", 1);
  const auto config = ReadConfig();
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().message().find("FARLANE_SOFT_MODEL"), std::string::npos);
}

TEST_F(ConfigTest, KeepsKernelsWhereTheProgramsSay) {
  setenv("CUDA_CACHE_PATH", "/somewhere", 1);
  setenv("CUDA_CACHE_MAXSIZE", "1048576", 1);
  auto config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->execution.cache_directory, "/somewhere/farlane-kernels");
  EXPECT_EQ(config->execution.cache_bytes_max, 1_MiB);

  setenv("CUDA_CACHE_DISABLE", "1", 1);
  config = ReadConfig();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->execution.cache_directory, "");
}

}  // namespace
}  // namespace farlane::soft
