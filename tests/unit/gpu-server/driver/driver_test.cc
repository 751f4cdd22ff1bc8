// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/driver/driver.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

TEST(Driver, IsLoadedFromAnAbsolutePathOnly) {
  EXPECT_FALSE(DriverCandidates("libcuda.so.1", "/bin").has_value());
  EXPECT_FALSE(DriverCandidates("", "/bin").has_value());
  EXPECT_TRUE(DriverCandidates("/somewhere/libcuda.so.1", "/bin").has_value());
}

TEST(Driver, AutoPrefersTheHostsDriverToTheSoftwareGpu) {
  const auto candidates = DriverCandidates("auto", "/opt/farlane/bin");

  ASSERT_TRUE(candidates.has_value());
  EXPECT_EQ(candidates->front().demand, DriverDemand::kForeign);
  EXPECT_EQ(candidates->back().demand, DriverDemand::kSoft);
  EXPECT_EQ(candidates->back().path, "/opt/farlane/bin/../lib/farlane/soft/libcuda.so.1");
}

TEST(Driver, LoadsWhatSomebodyNamed) {
  const auto driver = Driver::Load({.path = FAKE_LIBCUDA});

  ASSERT_TRUE(driver.has_value()) << driver.error().message();
  int version = 0;
  EXPECT_EQ((*driver)->table().cuDriverGetVersion(&version), CUDA_SUCCESS);
  EXPECT_EQ(version, 13000);
  EXPECT_EQ((*driver)->table().cuGraphCreate(nullptr, 0), CUDA_ERROR_NOT_FOUND);
}

TEST(Driver, RefusesALibraryThatIsNotTheSoftwareGpuAsSuch) {
  const auto driver = Driver::Load({.path = FAKE_LIBCUDA, .demand = DriverDemand::kSoft});

  ASSERT_FALSE(driver.has_value());
  EXPECT_EQ(driver.error().code(), StatusCode::kRefused);
}

TEST(Driver, RefusesAToolkitsStub) {
  setenv("FAKE_CUDA_INIT", "34", 1);
  const auto driver = Driver::Load({.path = FAKE_LIBCUDA});
  unsetenv("FAKE_CUDA_INIT");

  ASSERT_FALSE(driver.has_value());
  EXPECT_NE(driver.error().message().find("stub"), std::string::npos);
}

TEST(Driver, SaysOfEachCandidateWhyItDoesNotServe) {
  const auto driver = Driver::LoadFirst({{.path = "/nonexistent/libcuda.so.1"},
                                         {.path = FAKE_LIBCUDA, .demand = DriverDemand::kSoft}});

  ASSERT_FALSE(driver.has_value());
  EXPECT_NE(driver.error().message().find("/nonexistent/libcuda.so.1"), std::string::npos);
  EXPECT_NE(driver.error().message().find("not Farlane's software GPU"), std::string::npos);
}

TEST(Driver, DescribesResultsByNameAndNumber) {
  EXPECT_EQ(DescribeResult(CUDA_ERROR_OUT_OF_MEMORY), "CUDA_ERROR_OUT_OF_MEMORY (2)");
}

}  // namespace
}  // namespace farlane::server
