// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/survey.h"

#include <gtest/gtest.h>

namespace farlane::server {
namespace {

using Views = std::vector<std::string>;

const std::string kOne = "GPU-00000000-0000-0000-0000-00000000000a";
const std::string kTwo = "GPU-00000000-0000-0000-0000-00000000000b";
const std::string kPart = "MIG-00000000-0000-0000-0000-00000000000C";
const std::string kOther = "MIG-00000000-0000-0000-0000-00000000000D";

Views ViewsOf(const Views& whole, const Views& instances) {
  Views views;
  EXPECT_TRUE(UnpackViews(PackVisible(whole, instances), &views));
  return views;
}

TEST(Survey, WithoutInstancesWorkersSeeEverything) {
  EXPECT_EQ(ViewsOf({kOne, kTwo}, {}), Views{""});
  EXPECT_EQ(ViewsOf({}, {}), Views{""});
}

TEST(Survey, EachInstanceIsAViewAndAllWholeDevicesAreOne) {
  EXPECT_EQ(ViewsOf({kOne, kTwo}, {kPart, kOther}), (Views{kOne + "," + kTwo, kPart, kOther}));
  EXPECT_EQ(ViewsOf({}, {kPart}), Views{kPart});
}

// They become the environment of processes.
TEST(Survey, NamesThatAreNoneAreRefused) {
  Views views;
  for (const std::string& name :
       {std::string("GPU-1"), kOne + "0", "gpu" + kOne.substr(3), kOne.substr(0, 39) + ",",
        kOne.substr(0, 39) + "g", std::string("0"), std::string(" ")}) {
    EXPECT_FALSE(UnpackViews(PackVisible({name}, {kPart}), &views)) << name;
  }
}

TEST(Survey, WithoutAnNvmlThereAreNoInstances) {
  const Survey survey =
      LookForInstances({{.path = "/nowhere/libcuda.so.1", .demand = DriverDemand::kAny},
                        {.path = FAKE_LIBCUDA, .demand = DriverDemand::kAny}});
  EXPECT_EQ(survey.driver, "");
  EXPECT_EQ(survey.views, Views{""});
}

}  // namespace
}  // namespace farlane::server
