// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/driver/driver_table.h"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/mock_driver.h"

namespace farlane::server {
namespace {

CUresult CountDevices(int* count) {
  *count = 3;
  return CUDA_SUCCESS;
}

void* OnlyCountDevices(void* context, const char* symbol) {
  ++*static_cast<int*>(context);
  if (std::strcmp(symbol, "cuDeviceGetCount") == 0) {
    return reinterpret_cast<void*>(&CountDevices);
  }
  return nullptr;
}

TEST(DriverTable, CallsWhatTheLibraryHasAndRefusesWhatItLacks) {
  int asked = 0;
  DriverTable table;
  EXPECT_EQ(LoadDriverTable(&OnlyCountDevices, &asked, table), kDriverCalls - 1);
  EXPECT_EQ(asked, static_cast<int>(kDriverCalls));
  int count = 0;
  EXPECT_EQ(table.cuDeviceGetCount(&count), CUDA_SUCCESS);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(table.cuInit(0), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(table.cuMemFree_v2(0), CUDA_ERROR_NOT_FOUND);
}

TEST(DriverTable, HasOnePointerPerCallAndNothingElse) {
  EXPECT_EQ(sizeof(DriverTable), kDriverCalls * sizeof(void*));
}

TEST(DriverTable, LeavesOutPerThreadTwins) {
  for (const char* name : kDriverCallNames) {
    EXPECT_EQ(std::string(name).find("_pts"), std::string::npos) << name;
    EXPECT_EQ(std::string(name).find("_ptds"), std::string::npos) << name;
  }
}

TEST(MockDriver, ReceivesWhatItsTableIsAsked) {
  MockDriver driver;
  size_t asked = 0;
  driver.cuMemAlloc_v2 = [&asked](CUdeviceptr* address, size_t bytes) {
    asked = bytes;
    *address = 0x1000;
    return CUDA_ERROR_OUT_OF_MEMORY;
  };
  const DriverTable table = driver.Table();
  CUdeviceptr address = 0;
  EXPECT_EQ(table.cuMemAlloc_v2(&address, 4096), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(address, 0x1000u);
  EXPECT_EQ(asked, 4096u);
  EXPECT_EQ(table.cuMemFree_v2(address), CUDA_ERROR_NOT_FOUND);
}

TEST(MockDriver, MayBeFollowedByAnother) {
  { const MockDriver first; }
  MockDriver second;
  second.cuInit = [](unsigned int flags) {
    return flags == 7 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  };
  EXPECT_EQ(second.Table().cuInit(7), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::server
