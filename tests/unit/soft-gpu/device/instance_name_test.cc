// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/instance_name.h"

#include <gtest/gtest.h>

#include "protocol/base/bytes.h"
#include "soft-gpu/device/device.h"

namespace farlane::soft {
namespace {

using Place = std::optional<uint32_t>;

Config Divided() {
  Config config;
  config.device_count = 2;
  config.gpu_count = 2;
  config.instances = 3;
  config.memory_bytes = 5_GiB;
  config.processors = 7;
  return config;
}

Place Named(const char* list) {
  return InstanceNamed(std::string(list), Divided());
}

TEST(InstanceName, OneOfAListIsSeenAndItIsTheFirst) {
  EXPECT_EQ(InstanceNamed(std::nullopt, Divided()), Place(0));
  EXPECT_EQ(Named("MIG-6661726c-616e-652d-736f-66742d6d6904"), Place(4));
  EXPECT_EQ(Named(" mig-"), Place());
  EXPECT_EQ(Named("MIG-6661726C-616E-652D-736F-66742D6D6905 ,0"), Place(5));
  EXPECT_EQ(Named("MIG-6661726c-616e-652d-736f-66742d6d6906"), Place());
}

TEST(InstanceName, AGpuStandsForItsFirst) {
  EXPECT_EQ(Named("0"), Place(0));
  EXPECT_EQ(Named("1"), Place(3));
  EXPECT_EQ(Named("2"), Place());
  EXPECT_EQ(Named("GPU-6661726c-616e-652d-736f-66742d677001"), Place(3));
  EXPECT_EQ(Named("GPU-6661726c"), Place()) << "both begin so";
}

TEST(InstanceName, TheFormerNamesAreUnderstood) {
  const std::string gpu = "MIG-GPU-6661726c-616e-652d-736f-66742d677001";
  EXPECT_EQ(Named((gpu + "/1/0").c_str()), Place(3));
  EXPECT_EQ(Named((gpu + "/3/0").c_str()), Place(5));
  for (const char* rest : {"/0/0", "/4/0", "/1/1", "/1", "/1/", "/x/0", ""}) {
    EXPECT_EQ(Named((gpu + rest).c_str()), Place()) << rest;
  }
}

TEST(InstanceName, AnInstanceIsAPartOfItsGpu) {
  Config config = Divided();
  config.device_count = 1;
  config.instance = 4;
  const Device device(config, 0);
  EXPECT_EQ(device.gpu(), 1);
  EXPECT_EQ(device.instance(), 1);
  EXPECT_EQ(device.processors(), 2);
  EXPECT_EQ(device.Name(), "Farlane Software GPU MIG 2g.5gb");
  EXPECT_EQ(device.PciBusId(), Device(Divided(), 1).PciBusId());
  EXPECT_EQ(config.parts_count(), 6u);
}

}  // namespace
}  // namespace farlane::soft
