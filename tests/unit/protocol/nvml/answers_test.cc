// SPDX-License-Identifier: Apache-2.0
// The functions of NVML as a program calls them, over a source of the test's own.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/nvml/answers/about.h"
#include "protocol/nvml/answers/library.h"
#include "protocol/nvml/nvml_functions.h"

namespace farlane::nvml {
namespace {

struct World {
  Report report;
  nvmlReturn_t result = NVML_SUCCESS;
  int looks = 0;
};

World world;

// Thread: the test's.
class WorldSource final : public Source {
 public:
  nvmlReturn_t Look(Report* report) override {
    ++world.looks;
    *report = world.report;
    return world.result;
  }
};

Gpu GpuNumber(uint8_t number) {
  Gpu gpu{.name = "Device",
          .pci_bus = 0x65u + number,
          .compute_major = 9,
          .total_bytes = 1000,
          .reserved_bytes = 100,
          .used_bytes = 300,
          .free_bytes = 500,
          .busy_percent = 42,
          .copy_percent = 7};
  gpu.uuid[0] = 0xab;
  gpu.uuid[15] = number;
  return gpu;
}

class Nvml : public testing::Test {
 protected:
  void SetUp() override {
    world = {};
    world.report = {.cuda_version = 13000, .driver_version = "580.1", .gpus = {}};
    world.report.gpus = {GpuNumber(0), GpuNumber(1)};
    world.report.gpus[0].peers = 2;
  }

  void TearDown() override {
    while (nvmlShutdown() == NVML_SUCCESS) {
    }
  }

  nvmlDevice_t Start(unsigned int index = 0) {
    EXPECT_EQ(nvmlInit_v2(), NVML_SUCCESS);
    nvmlDevice_t device = nullptr;
    EXPECT_EQ(nvmlDeviceGetHandleByIndex_v2(index, &device), NVML_SUCCESS);
    return device;
  }
};

TEST_F(Nvml, BeforeInitAndAfterShutdownNothingIsAnswered) {
  unsigned int count = 0;
  EXPECT_EQ(nvmlDeviceGetCount_v2(&count), NVML_ERROR_UNINITIALIZED);
  EXPECT_EQ(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
  ASSERT_EQ(nvmlInit_v2(), NVML_SUCCESS);
  ASSERT_EQ(nvmlInit(), NVML_SUCCESS);
  ASSERT_EQ(nvmlShutdown(), NVML_SUCCESS);
  EXPECT_EQ(nvmlDeviceGetCount_v2(&count), NVML_SUCCESS) << "somebody else still uses it";
  EXPECT_EQ(count, 2u);
  ASSERT_EQ(nvmlShutdown(), NVML_SUCCESS);
  EXPECT_EQ(nvmlDeviceGetCount_v2(&count), NVML_ERROR_UNINITIALIZED);
}

TEST_F(Nvml, InitSaysWhatKeepsTheSourceFromAnswering) {
  world.result = NVML_ERROR_NO_PERMISSION;
  EXPECT_EQ(nvmlInit_v2(), NVML_ERROR_NO_PERMISSION);
  world.result = NVML_SUCCESS;
  EXPECT_EQ(nvmlInit_v2(), NVML_SUCCESS);
}

TEST_F(Nvml, ManyQuestionsAreOneLook) {
  const nvmlDevice_t device = Start();
  nvmlMemory_t memory{};
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(nvmlDeviceGetMemoryInfo(device, &memory), NVML_SUCCESS);
  }
  EXPECT_LT(world.looks, 100);
}

TEST_F(Nvml, DevicesAreFoundByEachOfTheirNames) {
  const nvmlDevice_t second = Start(1);
  nvmlDevice_t found = nullptr;
  char uuid[96] = {};
  ASSERT_EQ(nvmlDeviceGetUUID(second, uuid, sizeof uuid), NVML_SUCCESS);
  EXPECT_STREQ(uuid, "GPU-ab000000-0000-0000-0000-000000000001");
  EXPECT_EQ(nvmlDeviceGetHandleByUUID(uuid, &found), NVML_SUCCESS);
  EXPECT_EQ(found, second);
  EXPECT_EQ(nvmlDeviceGetHandleByUUID("GPU-ab", &found), NVML_ERROR_NOT_FOUND);

  nvmlPciInfo_t pci{};
  ASSERT_EQ(nvmlDeviceGetPciInfo_v3(second, &pci), NVML_SUCCESS);
  EXPECT_STREQ(pci.busId, "00000000:66:00.0");
  for (const char* id : {"00000000:66:00.0", "0000:66:00.0", "0:66:0", "66:00"}) {
    found = nullptr;
    EXPECT_EQ(nvmlDeviceGetHandleByPciBusId_v2(id, &found), NVML_SUCCESS) << id;
    EXPECT_EQ(found, second) << id;
  }
  EXPECT_EQ(nvmlDeviceGetHandleByPciBusId_v2("0:67:0", &found), NVML_ERROR_NOT_FOUND);
  EXPECT_EQ(nvmlDeviceGetHandleByPciBusId_v2("here", &found), NVML_ERROR_INVALID_ARGUMENT);

  nvmlUUID_t named{.version = StructVersion<nvmlUUID_t>(1), .type = 2, .value = {}};
  memcpy(named.value.bytes, world.report.gpus[1].uuid, 16);
  EXPECT_EQ(nvmlDeviceGetHandleByUUIDV(&named, &found), NVML_SUCCESS);
  named.version = 0;
  EXPECT_EQ(nvmlDeviceGetHandleByUUIDV(&named, &found), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
}

TEST_F(Nvml, AHandleThatWasNeverGivenOutIsRefused) {
  const nvmlDevice_t first = Start();
  unsigned int index = 0;
  for (const uintptr_t number :
       {uintptr_t{0}, uintptr_t{1}, uintptr_t(first) - 1,
        uintptr_t(first) + kReportGpusMax * (1 + kInstancesMax), UINTPTR_MAX}) {
    EXPECT_EQ(nvmlDeviceGetIndex(reinterpret_cast<nvmlDevice_t>(number), &index),
              NVML_ERROR_INVALID_ARGUMENT);
  }
  EXPECT_EQ(nvmlDeviceGetHandleByIndex_v2(2, nullptr), NVML_ERROR_INVALID_ARGUMENT);
  nvmlDevice_t third = nullptr;
  EXPECT_EQ(nvmlDeviceGetHandleByIndex_v2(2, &third), NVML_ERROR_INVALID_ARGUMENT);
}

TEST_F(Nvml, ANullPointerIsRefusedWhereverSomethingComesOut) {
  const nvmlDevice_t device = Start();
  EXPECT_EQ(nvmlDeviceGetMemoryInfo(device, nullptr), NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(nvmlDeviceGetName(device, nullptr, 10), NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(nvmlDeviceGetCudaComputeCapability(device, nullptr, nullptr),
            NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses_v3(device, nullptr, nullptr),
            NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(nvmlDeviceGetFieldValues(device, 1, nullptr), NVML_ERROR_INVALID_ARGUMENT);
}

TEST_F(Nvml, ATextThatDoesNotFitLeavesTheBufferAlone) {
  const nvmlDevice_t device = Start();
  char name[7] = "xxxxxx";
  EXPECT_EQ(nvmlDeviceGetName(device, name, 6), NVML_ERROR_INSUFFICIENT_SIZE);
  EXPECT_EQ(nvmlDeviceGetName(device, name, 0), NVML_ERROR_INSUFFICIENT_SIZE);
  EXPECT_STREQ(name, "xxxxxx");
  EXPECT_EQ(nvmlDeviceGetName(device, name, 7), NVML_SUCCESS);
  EXPECT_STREQ(name, "Device");
}

TEST_F(Nvml, MemoryIsThatOfTheSliceInBothForms) {
  const nvmlDevice_t device = Start();
  nvmlMemory_t memory{};
  ASSERT_EQ(nvmlDeviceGetMemoryInfo(device, &memory), NVML_SUCCESS);
  EXPECT_EQ(memory.total, 1000u);
  EXPECT_EQ(memory.used, 400u);
  EXPECT_EQ(memory.free, 500u);
  nvmlMemory_v2_t second{};
  EXPECT_EQ(nvmlDeviceGetMemoryInfo_v2(device, &second), NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
  second.version = StructVersion<nvmlMemory_v2_t>(2);
  ASSERT_EQ(nvmlDeviceGetMemoryInfo_v2(device, &second), NVML_SUCCESS);
  EXPECT_EQ(second.reserved, 100u);
  EXPECT_EQ(second.used, 300u);
}

TEST_F(Nvml, ProcessesFillNoMoreThanThereIsRoomFor) {
  world.report.gpus[0].processes = {{.pid = 1, .used_bytes = 10}, {.pid = 2, .used_bytes = 20}};
  const nvmlDevice_t device = Start();
  unsigned int count = 0;
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses_v3(device, &count, nullptr),
            NVML_ERROR_INSUFFICIENT_SIZE);
  EXPECT_EQ(count, 2u);
  nvmlProcessInfo_t infos[3] = {};
  infos[1].pid = 77;
  count = 1;
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses_v3(device, &count, infos),
            NVML_ERROR_INSUFFICIENT_SIZE);
  EXPECT_EQ(infos[1].pid, 77u);
  count = 3;
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses_v3(device, &count, infos), NVML_SUCCESS);
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(infos[1].pid, 2u);
  EXPECT_EQ(infos[1].usedGpuMemory, 20u);

  nvmlProcessInfo_v1_t old[2] = {};
  count = 2;
  EXPECT_EQ(nvmlDeviceGetComputeRunningProcesses(device, &count, old), NVML_SUCCESS);
  EXPECT_EQ(old[1].pid, 2u);
  count = 5;
  EXPECT_EQ(nvmlDeviceGetGraphicsRunningProcesses_v3(device, &count, infos), NVML_SUCCESS);
  EXPECT_EQ(count, 0u);
}

TEST_F(Nvml, WhatTheServerDoesNotKnowIsNotSupported) {
  const nvmlDevice_t device = Start();
  unsigned int number = 1234;
  EXPECT_EQ(nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &number),
            NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetPowerUsage(device, &number), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(number, 1234u);
  world.report.gpus[0].gauges.Set(Gauge::kTemperature, 61);
  ReportPtr fresh;
  ASSERT_EQ(Library::Get().LookAgain(&fresh), NVML_SUCCESS);
  EXPECT_EQ(nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &number), NVML_SUCCESS);
  EXPECT_EQ(number, 61u);
}

TEST_F(Nvml, EachFieldSaysForItselfWhetherItIsKnown) {
  world.report.gpus[0].gauges.Set(Gauge::kEnergy, 5);
  const nvmlDevice_t device = Start();
  nvmlFieldValue_t fields[2] = {};
  fields[0].fieldId = NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION;
  fields[1].fieldId = 9999;
  ASSERT_EQ(nvmlDeviceGetFieldValues(device, 2, fields), NVML_SUCCESS);
  EXPECT_EQ(fields[0].nvmlReturn, NVML_SUCCESS);
  EXPECT_EQ(fields[0].value.ullVal, 5u);
  EXPECT_EQ(fields[1].nvmlReturn, NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetFieldValues(device, -1, fields), NVML_ERROR_INVALID_ARGUMENT);
}

TEST_F(Nvml, PeersAreThoseOfTheDriver) {
  const nvmlDevice_t first = Start(0);
  nvmlDevice_t second = nullptr;
  ASSERT_EQ(nvmlDeviceGetHandleByIndex_v2(1, &second), NVML_SUCCESS);
  nvmlGpuP2PStatus_t status = NVML_P2P_STATUS_UNKNOWN;
  ASSERT_EQ(nvmlDeviceGetP2PStatus(first, second, NVML_P2P_CAPS_INDEX_READ, &status), NVML_SUCCESS);
  EXPECT_EQ(status, NVML_P2P_STATUS_OK);
  ASSERT_EQ(nvmlDeviceGetP2PStatus(second, first, NVML_P2P_CAPS_INDEX_READ, &status), NVML_SUCCESS);
  EXPECT_EQ(status, NVML_P2P_STATUS_NOT_SUPPORTED);
}

TEST_F(Nvml, AnErrorOfTheHardwareIsToldOnce) {
  world.report.gpus[0].gauges.Set(Gauge::kXidCount, 0);
  const nvmlDevice_t device = Start();
  nvmlEventSet_t set = nullptr;
  nvmlEventData_t data{};
  ASSERT_EQ(nvmlEventSetCreate(&set), NVML_SUCCESS);
  ASSERT_EQ(nvmlDeviceRegisterEvents(device, nvmlEventTypeXidCriticalError, set), NVML_SUCCESS);
  EXPECT_EQ(nvmlEventSetWait_v2(set, &data, 0), NVML_ERROR_TIMEOUT);
  world.report.gpus[0].gauges.Set(Gauge::kXid, 79);
  world.report.gpus[0].gauges.Set(Gauge::kXidCount, 1);
  EXPECT_EQ(nvmlEventSetWait_v2(set, &data, 60'000), NVML_SUCCESS);
  EXPECT_EQ(data.eventData, 79u);
  EXPECT_EQ(data.device, device);
  EXPECT_EQ(nvmlEventSetWait_v2(set, &data, 0), NVML_ERROR_TIMEOUT);
  EXPECT_EQ(nvmlEventSetFree(set), NVML_SUCCESS);
  EXPECT_EQ(nvmlEventSetFree(set), NVML_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(nvmlEventSetWait_v2(set, &data, 0), NVML_ERROR_INVALID_ARGUMENT);
}

TEST_F(Nvml, OtherEventsAreNotSupported) {
  const nvmlDevice_t device = Start();
  nvmlEventSet_t set = nullptr;
  ASSERT_EQ(nvmlEventSetCreate(&set), NVML_SUCCESS);
  EXPECT_EQ(nvmlDeviceRegisterEvents(device, 1, set), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceRegisterEvents(device, nvmlEventTypeXidCriticalError, set),
            NVML_ERROR_NOT_SUPPORTED)
      << "nobody counts them on this device";
  EXPECT_EQ(nvmlEventSetFree(set), NVML_SUCCESS);
}

TEST_F(Nvml, ADeviceThatIsGoneIsLost) {
  const nvmlDevice_t second = Start(1);
  world.report.gpus.pop_back();
  ReportPtr fresh;
  ASSERT_EQ(Library::Get().LookAgain(&fresh), NVML_SUCCESS);
  unsigned int index = 0;
  EXPECT_EQ(nvmlDeviceGetIndex(second, &index), NVML_ERROR_GPU_IS_LOST);
}

TEST_F(Nvml, InstancesAreFoundByTheirDeviceAndBack) {
  Gpu part = GpuNumber(9);
  part.name = "Device MIG 1g.5gb";
  part.processors = 14;
  part.instance_id = 2;
  part.slices = 1;
  part.total_bytes = 5 << 20;
  world.report.gpus[1].instances = {GpuNumber(8), part};
  world.report.gpus[1].instances[0].instance_id = 1;
  const nvmlDevice_t whole = Start(0);
  const nvmlDevice_t divided = Start(1);
  unsigned int mode = 7;
  unsigned int pending = 7;
  EXPECT_EQ(nvmlDeviceGetMigMode(whole, &mode, &pending), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetMigMode(divided, &mode, &pending), NVML_SUCCESS);
  EXPECT_EQ(mode + pending, 2u);

  nvmlDevice_t instance = nullptr;
  EXPECT_EQ(nvmlDeviceGetMigDeviceHandleByIndex(whole, 0, &instance), NVML_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(nvmlDeviceGetMigDeviceHandleByIndex(divided, 2, &instance), NVML_ERROR_NOT_FOUND);
  EXPECT_EQ(nvmlDeviceGetMigDeviceHandleByIndex(divided, 99, &instance),
            NVML_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(nvmlDeviceGetMigDeviceHandleByIndex(divided, 1, &instance), NVML_SUCCESS);
  char uuid[96] = "";
  EXPECT_EQ(nvmlDeviceGetUUID(instance, uuid, sizeof uuid), NVML_SUCCESS);
  EXPECT_STREQ(uuid, "MIG-ab000000-0000-0000-0000-000000000009");
  nvmlDevice_t found = nullptr;
  EXPECT_EQ(nvmlDeviceGetHandleByUUID(uuid, &found), NVML_SUCCESS);
  EXPECT_EQ(found, instance);
  EXPECT_EQ(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance, &found), NVML_SUCCESS);
  EXPECT_EQ(found, divided);
  EXPECT_EQ(nvmlDeviceGetDeviceHandleFromMigDeviceHandle(divided, &found),
            NVML_ERROR_INVALID_ARGUMENT);
  unsigned int number = 7;
  EXPECT_EQ(nvmlDeviceGetGpuInstanceId(instance, &number), NVML_SUCCESS);
  EXPECT_EQ(number, 2u);
  EXPECT_EQ(nvmlDeviceGetComputeInstanceId(instance, &number), NVML_SUCCESS);
  EXPECT_EQ(number, 0u);
  EXPECT_EQ(nvmlDeviceGetIndex(instance, &number), NVML_SUCCESS);
  EXPECT_EQ(number, 1u);
  EXPECT_EQ(nvmlDeviceGetGpuInstanceId(divided, &number), NVML_ERROR_NOT_SUPPORTED);
  nvmlDeviceAttributes_t has{};
  EXPECT_EQ(nvmlDeviceGetAttributes_v2(instance, &has), NVML_SUCCESS);
  EXPECT_EQ(has.multiprocessorCount, 14u);
  EXPECT_EQ(has.memorySizeMB, 5u);
  EXPECT_EQ(nvmlDeviceGetAttributes_v2(divided, &has), NVML_ERROR_NOT_SUPPORTED);
  nvmlEventSet_t set = nullptr;
  ASSERT_EQ(nvmlEventSetCreate(&set), NVML_SUCCESS);
  EXPECT_NE(nvmlDeviceRegisterEvents(instance, nvmlEventTypeXidCriticalError, set), NVML_SUCCESS);
  EXPECT_EQ(nvmlEventSetFree(set), NVML_SUCCESS);

  world.report.gpus[1].instances.pop_back();
  ReportPtr fresh;
  ASSERT_EQ(Library::Get().LookAgain(&fresh), NVML_SUCCESS);
  EXPECT_EQ(nvmlDeviceGetIndex(instance, &number), NVML_ERROR_GPU_IS_LOST);
}

TEST_F(Nvml, ThreadsAskAtTheSameTime) {
  const nvmlDevice_t device = Start();
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([device, &wrong] {
      for (int round = 0; round < 200; ++round) {
        nvmlUtilization_t rates{};
        ReportPtr fresh;
        const bool right = Library::Get().LookAgain(&fresh) == NVML_SUCCESS &&
                           nvmlDeviceGetUtilizationRates(device, &rates) == NVML_SUCCESS &&
                           rates.gpu == 42 && rates.memory == 7;
        wrong += right ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(Nvml, ArchitecturesFollowTheComputeCapability) {
  const struct {
    int32_t major;
    int32_t minor;
    unsigned int number;
  } kKnown[] = {{7, 0, 5}, {7, 5, 6},   {8, 0, 7},   {8, 6, 7},          {8, 9, 8},
                {9, 0, 9}, {10, 0, 10}, {12, 1, 10}, {99, 0, 0xffffffff}};

  for (const auto& one : kKnown) {
    Gpu gpu;
    gpu.compute_major = one.major;
    gpu.compute_minor = one.minor;
    EXPECT_EQ(ArchitectureOf(gpu), one.number) << one.major << "." << one.minor;
  }
}

}  // namespace

std::unique_ptr<Source> MakeSource(nvmlReturn_t* /*why*/) {
  return std::make_unique<WorldSource>();
}

}  // namespace farlane::nvml
