// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/nvml_library.h"

#include <dlfcn.h>

#include "protocol/nvml/nvml_functions.h"

namespace farlane::cli {
namespace {

struct Table {
#define FARLANE_NVML_FUNCTIONS(X)       \
  X(nvmlInit_v2)                        \
  X(nvmlShutdown)                       \
  X(nvmlErrorString)                    \
  X(nvmlSystemGetDriverVersion)         \
  X(nvmlSystemGetCudaDriverVersion)     \
  X(nvmlSystemGetProcessName)           \
  X(nvmlDeviceGetCount_v2)              \
  X(nvmlDeviceGetHandleByIndex_v2)      \
  X(nvmlDeviceGetName)                  \
  X(nvmlDeviceGetUUID)                  \
  X(nvmlDeviceGetPciInfo_v3)            \
  X(nvmlDeviceGetCudaComputeCapability) \
  X(nvmlDeviceGetMemoryInfo_v2)         \
  X(nvmlDeviceGetUtilizationRates)      \
  X(nvmlDeviceGetTemperature)           \
  X(nvmlDeviceGetFanSpeed)              \
  X(nvmlDeviceGetPowerUsage)            \
  X(nvmlDeviceGetEnforcedPowerLimit)    \
  X(nvmlDeviceGetPerformanceState)      \
  X(nvmlDeviceGetClockInfo)             \
  X(nvmlDeviceGetTotalEccErrors)        \
  X(nvmlDeviceGetComputeRunningProcesses_v3)

#define FARLANE_MEMBER(name) decltype(&::name) name = nullptr;
  FARLANE_NVML_FUNCTIONS(FARLANE_MEMBER)
#undef FARLANE_MEMBER
};

// The missing function's name; empty when all are there.
std::string LookUp(void* library, Table* table) {
#define FARLANE_LOOK_UP(name)                                                   \
  table->name = reinterpret_cast<decltype(table->name)>(dlsym(library, #name)); \
  if (table->name == nullptr) {                                                 \
    return #name;                                                               \
  }
  FARLANE_NVML_FUNCTIONS(FARLANE_LOOK_UP)
#undef FARLANE_LOOK_UP
  return "";
}

constexpr size_t kTextMax = 128;

template <typename Function, typename... Arguments>
std::string Text(Function function, Arguments... arguments) {
  char text[kTextMax] = {};
  return function(arguments..., text, sizeof text) == NVML_SUCCESS ? text : "";
}

template <typename T = unsigned int, typename Function, typename... Arguments>
std::optional<uint64_t> Number(Function function, Arguments... arguments) {
  T value{};
  if (function(arguments..., &value) != NVML_SUCCESS) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(value);
}

std::vector<GpuProcess> ProcessesOf(const Table& nvml, nvmlDevice_t device) {
  // Some may have come since the first answer.
  constexpr unsigned int kNewcomers = 16;
  unsigned int count = 0;
  static_cast<void>(nvml.nvmlDeviceGetComputeRunningProcesses_v3(device, &count, nullptr));
  std::vector<nvmlProcessInfo_t> infos(count + kNewcomers);
  count = static_cast<unsigned int>(infos.size());
  if (nvml.nvmlDeviceGetComputeRunningProcesses_v3(device, &count, infos.data()) != NVML_SUCCESS) {
    return {};
  }
  infos.resize(count);
  std::vector<GpuProcess> processes;
  for (const nvmlProcessInfo_t& info : infos) {
    processes.push_back({.pid = info.pid,
                         .used_bytes = info.usedGpuMemory,
                         .name = Text(nvml.nvmlSystemGetProcessName, info.pid)});
  }
  return processes;
}

void AskUsage(const Table& nvml, nvmlDevice_t device, GpuStatus* gpu) {
  constexpr unsigned int kForm = 2;
  nvmlMemory_v2_t memory{};
  memory.version = static_cast<unsigned int>(sizeof memory) | kForm << 24;
  nvmlUtilization_t utilization{};
  static_cast<void>(nvml.nvmlDeviceGetMemoryInfo_v2(device, &memory));
  static_cast<void>(nvml.nvmlDeviceGetUtilizationRates(device, &utilization));
  gpu->total_bytes = memory.total;
  gpu->used_bytes = memory.used;
  gpu->free_bytes = memory.free;
  gpu->busy_percent = utilization.gpu;
  gpu->copy_percent = utilization.memory;
  gpu->processes = ProcessesOf(nvml, device);
}

GpuStatus AskDevice(const Table& nvml, nvmlDevice_t device) {
  GpuStatus gpu;
  gpu.name = Text(nvml.nvmlDeviceGetName, device);
  gpu.uuid = Text(nvml.nvmlDeviceGetUUID, device);
  nvmlPciInfo_t pci{};
  if (nvml.nvmlDeviceGetPciInfo_v3(device, &pci) == NVML_SUCCESS) {
    gpu.pci_bus_id = pci.busId;
  }
  static_cast<void>(
      nvml.nvmlDeviceGetCudaComputeCapability(device, &gpu.compute_major, &gpu.compute_minor));
  AskUsage(nvml, device, &gpu);
  gpu.temperature_c = Number(nvml.nvmlDeviceGetTemperature, device, NVML_TEMPERATURE_GPU);
  gpu.fan_percent = Number(nvml.nvmlDeviceGetFanSpeed, device);
  gpu.power_mw = Number(nvml.nvmlDeviceGetPowerUsage, device);
  gpu.power_limit_mw = Number(nvml.nvmlDeviceGetEnforcedPowerLimit, device);
  gpu.performance_state = Number<nvmlPstates_t>(nvml.nvmlDeviceGetPerformanceState, device);
  gpu.sm_clock_mhz = Number(nvml.nvmlDeviceGetClockInfo, device, NVML_CLOCK_SM);
  gpu.memory_clock_mhz = Number(nvml.nvmlDeviceGetClockInfo, device, NVML_CLOCK_MEM);
  gpu.ecc_uncorrected =
      Number<unsigned long long>(nvml.nvmlDeviceGetTotalEccErrors, device,
                                 NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC);
  return gpu;
}

}  // namespace

Result<SystemStatus> AskNvml(const std::string& library) {
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) {
    return Status(StatusCode::kNotFound, dlerror());
  }
  Table nvml;
  if (const std::string missing = LookUp(loaded, &nvml); !missing.empty()) {
    return Status(StatusCode::kCorrupt, library + " has no " + missing);
  }
  if (const nvmlReturn_t result = nvml.nvmlInit_v2(); result != NVML_SUCCESS) {
    return Status(StatusCode::kUnavailable,
                  std::string("no GPU can be asked: ") + nvml.nvmlErrorString(result));
  }
  SystemStatus status;
  status.driver_version = Text(nvml.nvmlSystemGetDriverVersion);
  static_cast<void>(nvml.nvmlSystemGetCudaDriverVersion(&status.cuda_version));
  unsigned int count = 0;
  static_cast<void>(nvml.nvmlDeviceGetCount_v2(&count));
  for (unsigned int i = 0; i < count; ++i) {
    nvmlDevice_t device = nullptr;
    if (nvml.nvmlDeviceGetHandleByIndex_v2(i, &device) == NVML_SUCCESS) {
      status.gpus.push_back(AskDevice(nvml, device));
    }
  }
  static_cast<void>(nvml.nvmlShutdown());
  return status;
}

}  // namespace farlane::cli
