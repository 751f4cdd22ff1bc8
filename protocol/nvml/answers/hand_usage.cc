// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/clock.h"
#include "protocol/nvml/answers/about.h"
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"

namespace farlane::nvml {
namespace {

// What a process has of a device that is not divided into instances.
constexpr unsigned int kNoInstance = 0xffffffff;

void Fill(const Process& process, nvmlProcessInfo_v1_t* info) {
  info->pid = process.pid;
  info->usedGpuMemory = process.used_bytes;
}

void Fill(const Process& process, nvmlProcessInfo_t* info) {
  *info = {.pid = process.pid,
           .usedGpuMemory = process.used_bytes,
           .gpuInstanceId = kNoInstance,
           .computeInstanceId = kNoInstance};
}

void Fill(const Process& process, nvmlProcessDetail_v1_t* info) {
  *info = {.pid = process.pid,
           .usedGpuMemory = process.used_bytes,
           .gpuInstanceId = kNoInstance,
           .computeInstanceId = kNoInstance,
           .usedGpuCcProtectedMemory = 0};
}

void Fill(const Process& process, nvmlProcessUtilizationSample_t* sample) {
  *sample = {.pid = process.pid,
             .timeStamp = NowNs() / 1000,
             .smUtil = process.busy_percent,
             .memUtil = process.copy_percent,
             .encUtil = 0,
             .decUtil = 0};
}

// `count` is how many there is room for, and then how many there are.
template <typename Info>
nvmlReturn_t FillAll(const std::vector<Process>& processes, unsigned int* count, Info* infos) {
  const size_t room = *count;
  *count = static_cast<unsigned int>(processes.size());
  if (processes.size() > room || (infos == nullptr && !processes.empty())) {
    return NVML_ERROR_INSUFFICIENT_SIZE;
  }
  for (size_t i = 0; i < processes.size(); ++i) {
    Fill(processes[i], &infos[i]);
  }
  return NVML_SUCCESS;
}

template <typename Info>
nvmlReturn_t ListProcesses(nvmlDevice_t device, unsigned int* count, Info* infos) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  return count == nullptr ? NVML_ERROR_INVALID_ARGUMENT
                          : FillAll(look.gpu().processes, count, infos);
}

// Of a kind of process that there are none of.
nvmlReturn_t ListNone(nvmlDevice_t device, unsigned int* count) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (count == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  *count = 0;
  return NVML_SUCCESS;
}

}  // namespace

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t* memory) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (memory == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (memory->version != StructVersion<nvmlMemory_v2_t>(2)) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  const Gpu& gpu = look.gpu();
  if (gpu.total_bytes == 0) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  memory->total = gpu.total_bytes;
  memory->reserved = gpu.reserved_bytes;
  memory->free = gpu.free_bytes;
  memory->used = gpu.used_bytes;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device,
                                                  unsigned int* infoCount,
                                                  nvmlProcessInfo_v1_t* infos) {
  return ListProcesses(device, infoCount, infos);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device,
                                                     unsigned int* infoCount,
                                                     nvmlProcessInfo_t* infos) {
  return ListProcesses(device, infoCount, infos);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device,
                                                   unsigned int* infoCount,
                                                   nvmlProcessInfo_v1_t* /*infos*/) {
  return ListNone(device, infoCount);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device,
                                                      unsigned int* infoCount,
                                                      nvmlProcessInfo_t* /*infos*/) {
  return ListNone(device, infoCount);
}

nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device,
                                                   nvmlProcessDetailList_t* plist) {
  constexpr unsigned int kCompute = 0;
  constexpr unsigned int kModesCount = 3;  // graphics, MPS
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (plist == nullptr || plist->mode >= kModesCount) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (plist->version != StructVersion<nvmlProcessDetailList_t>(1)) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  const std::vector<Process> none;
  return FillAll(plist->mode == kCompute ? look.gpu().processes : none, &plist->numProcArrayEntries,
                 plist->procArray);
}

// One sample each: of the second before the report was made.
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
                                             nvmlProcessUtilizationSample_t* utilization,
                                             unsigned int* processSamplesCount,
                                             unsigned long long /*lastSeenTimeStamp*/) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (processSamplesCount == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (look.gpu().processes.empty()) {
    *processSamplesCount = 0;
    return NVML_ERROR_NOT_FOUND;
  }
  return FillAll(look.gpu().processes, processSamplesCount, utilization);
}

}  // namespace farlane::nvml
