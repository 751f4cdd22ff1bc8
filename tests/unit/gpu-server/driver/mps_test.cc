// SPDX-License-Identifier: Apache-2.0
// Against a driver of the tests, which follows what NVIDIA's guide says of MPS.
#include "gpu-server/driver/mps.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "gpu-server/driver/driver.h"
#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"

namespace farlane::server {
namespace {

class Mps : public testing::Test {
 protected:
  ~Mps() override {
    for (const char* name : {"FAKE_CUDA_MPS", "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE",
                             "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "CUDA_MPS_PIPE_DIRECTORY"}) {
      unsetenv(name);
    }
  }

  // Chunks that the driver gives to this process.
  static size_t ChunksOf(const Driver& driver) {
    std::vector<CUmemGenericAllocationHandle> chunks;
    CUmemAllocationProp properties{};
    CUmemGenericAllocationHandle chunk = 0;
    while (driver.table().cuMemCreate(&chunk, 2_MiB, &properties, 0) == CUDA_SUCCESS) {
      chunks.push_back(chunk);
    }
    for (const CUmemGenericAllocationHandle one : chunks) {
      driver.table().cuMemRelease(one);
    }
    return chunks.size();
  }

  static int ProcessorsOf(const Driver& driver) {
    int count = 0;
    driver.table().cuDeviceGetAttribute(&count, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0);
    return count;
  }
};

TEST_F(Mps, AProcessHasItsPart) {
  const auto driver = Driver::Load({.path = FAKE_LIBCUDA, .demand = DriverDemand::kAny});
  ASSERT_TRUE(driver.ok());
  const int all = ProcessorsOf(**driver);
  const size_t chunks = ChunksOf(**driver);
  setenv("FAKE_CUDA_MPS", "1", 1);
  JoinMps({});
  EXPECT_EQ(ProcessorsOf(**driver), all) << "nobody has asked for a part";
  JoinMps({.percent = 25, .memory_bytes = 33_MiB});
  EXPECT_EQ(ProcessorsOf(**driver), all / 4);
  EXPECT_EQ(ChunksOf(**driver), 16u);
  unsetenv("FAKE_CUDA_MPS");
  EXPECT_EQ(ProcessorsOf(**driver), all) << "without the service the variables mean nothing";
  EXPECT_EQ(ChunksOf(**driver), chunks);
}

TEST_F(Mps, MemoryIsLimitedOnEachDevice) {
  JoinMps({.percent = 10, .memory_bytes = 1_GiB + 1, .devices_count = 3});
  EXPECT_EQ(Environment("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), "0=1025M,1=1025M,2=1025M");
}

TEST_F(Mps, WithoutALimitNoneIsSet) {
  JoinMps({.percent = 10});
  EXPECT_EQ(Environment("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"), std::nullopt);
  EXPECT_EQ(Environment("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"), "10");
}

TEST_F(Mps, AServiceThatIsNotThereIsMissed) {
  const std::string folder =
      std::filesystem::temp_directory_path() / ("farlane-mps-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  setenv("CUDA_MPS_PIPE_DIRECTORY", folder.c_str(), 1);
  const Status missing = CheckMps();
  EXPECT_FALSE(missing.ok());
  EXPECT_NE(missing.message().find(folder), std::string::npos) << missing.message();
  std::ofstream(folder + "/nvidia-cuda-mps-control.pid") << "1\n";
  EXPECT_TRUE(CheckMps().ok());
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace farlane::server
