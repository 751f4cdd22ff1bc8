// SPDX-License-Identifier: Apache-2.0
// A monitoring program: it loads libnvidia-ml.so.1 by its name, as they all do, and carries out
// what it reads, a command a line, answering each with a line.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/nvml/nvml_functions.h"

namespace {

void* library = nullptr;
std::map<std::string, nvmlEventSet_t> sets;

template <typename Function>
Function* Get(const char* name) {
  auto* const found = reinterpret_cast<Function*>(dlsym(library, name));
  if (found == nullptr) {
    printf("there is no %s\n", name);
    exit(2);
  }
  return found;
}

#define NVML(name) Get<decltype(name)>(#name)

using Words = std::istringstream;

nvmlDevice_t DeviceOf(Words& words) {
  unsigned int index = 0;
  words >> index;
  nvmlDevice_t device = nullptr;
  static_cast<void>(NVML(nvmlDeviceGetHandleByIndex_v2)(index, &device));
  return device;
}

void Init(Words&) {
  printf("%d\n", NVML(nvmlInit_v2)());
}

void Shutdown(Words&) {
  printf("%d\n", NVML(nvmlShutdown)());
}

void Count(Words&) {
  unsigned int count = 0;
  const nvmlReturn_t result = NVML(nvmlDeviceGetCount_v2)(&count);
  printf("%d %u\n", result, count);
}

void System(Words&) {
  char driver[96] = "";
  char nvml[96] = "";
  int cuda = 0;
  const nvmlReturn_t result = NVML(nvmlSystemGetDriverVersion)(driver, sizeof driver);
  static_cast<void>(NVML(nvmlSystemGetNVMLVersion)(nvml, sizeof nvml));
  static_cast<void>(NVML(nvmlSystemGetCudaDriverVersion)(&cuda));
  printf("%d %s %s %d\n", result, driver, nvml, cuda);
}

void Identity(Words& words) {
  const nvmlDevice_t device = DeviceOf(words);
  char name[96] = "";
  char uuid[96] = "";
  nvmlPciInfo_t pci{};
  int major = 0;
  int minor = 0;
  const nvmlReturn_t result = NVML(nvmlDeviceGetName)(device, name, sizeof name);
  static_cast<void>(NVML(nvmlDeviceGetUUID)(device, uuid, sizeof uuid));
  static_cast<void>(NVML(nvmlDeviceGetPciInfo_v3)(device, &pci));
  static_cast<void>(NVML(nvmlDeviceGetCudaComputeCapability)(device, &major, &minor));
  printf("%d %s %s %d.%d %s\n", result, uuid, pci.busId, major, minor, name);
}

void Memory(Words& words) {
  nvmlMemory_t memory{};
  const nvmlReturn_t result = NVML(nvmlDeviceGetMemoryInfo)(DeviceOf(words), &memory);
  printf("%d %llu %llu %llu\n", result, memory.total >> 20, memory.used >> 20, memory.free >> 20);
}

void Rates(Words& words) {
  nvmlUtilization_t rates{};
  const nvmlReturn_t result = NVML(nvmlDeviceGetUtilizationRates)(DeviceOf(words), &rates);
  printf("%d %u %u\n", result, rates.gpu, rates.memory);
}

void Temperature(Words& words) {
  unsigned int temperature = 0;
  const nvmlReturn_t result =
      NVML(nvmlDeviceGetTemperature)(DeviceOf(words), NVML_TEMPERATURE_GPU, &temperature);
  printf("%d %u\n", result, temperature);
}

void Processes(Words& words) {
  std::vector<nvmlProcessInfo_t> infos(64);
  auto count = static_cast<unsigned int>(infos.size());
  const nvmlReturn_t result =
      NVML(nvmlDeviceGetComputeRunningProcesses_v3)(DeviceOf(words), &count, infos.data());
  printf("%d", result);
  for (unsigned int i = 0; result == NVML_SUCCESS && i < count; ++i) {
    printf(" %u:%llu", infos[i].pid, infos[i].usedGpuMemory >> 20);
  }
  printf("\n");
}

// watch INDEX; then await MILLISECONDS.
void Watch(Words& words) {
  nvmlEventSet_t& set = sets["set"];
  const nvmlReturn_t made = NVML(nvmlEventSetCreate)(&set);
  printf("%d %d\n", made,
         NVML(nvmlDeviceRegisterEvents)(DeviceOf(words), nvmlEventTypeXidCriticalError, set));
}

void Await(Words& words) {
  unsigned int milliseconds = 0;
  words >> milliseconds;
  nvmlEventData_t data{};
  const nvmlReturn_t result = NVML(nvmlEventSetWait_v2)(sets["set"], &data, milliseconds);
  printf("%d %llu\n", result, data.eventData);
}

// Of a device: whether it is divided, how many instances it can have; and of each instance its
// UUID, its numbers, what it has of the device, and which device it is found to belong to.
void Instances(Words& words) {
  const nvmlDevice_t device = DeviceOf(words);
  unsigned int mode = 0;
  unsigned int pending = 0;
  unsigned int most = 0;
  const nvmlReturn_t result = NVML(nvmlDeviceGetMigMode)(device, &mode, &pending);
  static_cast<void>(NVML(nvmlDeviceGetMaxMigDeviceCount)(device, &most));
  printf("%d %u %u %u", result, mode, pending, most);
  for (unsigned int i = 0; i < most; ++i) {
    nvmlDevice_t instance = nullptr;
    nvmlDevice_t parent = nullptr;
    char uuid[96] = "";
    unsigned int numbers[3] = {};
    nvmlDeviceAttributes_t has{};
    nvmlMemory_t memory{};
    static_cast<void>(NVML(nvmlDeviceGetMigDeviceHandleByIndex)(device, i, &instance));
    static_cast<void>(NVML(nvmlDeviceGetUUID)(instance, uuid, sizeof uuid));
    static_cast<void>(NVML(nvmlDeviceIsMigDeviceHandle)(instance, &numbers[0]));
    static_cast<void>(NVML(nvmlDeviceGetGpuInstanceId)(instance, &numbers[1]));
    static_cast<void>(NVML(nvmlDeviceGetComputeInstanceId)(instance, &numbers[2]));
    static_cast<void>(NVML(nvmlDeviceGetAttributes_v2)(instance, &has));
    static_cast<void>(NVML(nvmlDeviceGetMemoryInfo)(instance, &memory));
    static_cast<void>(NVML(nvmlDeviceGetDeviceHandleFromMigDeviceHandle)(instance, &parent));
    printf(" %s:%u:%u:%u:%u:%u:%llu:%llu:%llu:%d", uuid, numbers[0], numbers[1], numbers[2],
           has.multiprocessorCount, has.gpuInstanceSliceCount, has.memorySizeMB, memory.total >> 20,
           memory.used >> 20, parent == device ? 1 : 0);
  }
  printf("\n");
}

// What a forked child finds, with the library as its parent had it and after starting it again.
void Fork(Words&) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    unsigned int count = 0;
    const nvmlReturn_t before = NVML(nvmlDeviceGetCount_v2)(&count);
    const nvmlReturn_t again = NVML(nvmlInit_v2)();
    const nvmlReturn_t after = NVML(nvmlDeviceGetCount_v2)(&count);
    printf("%d %d %d %u\n", before, again, after, count);
    fflush(stdout);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) {
    printf("the child ended with %d\n", status);
  }
}

struct Command {
  const char* name;
  void (*act)(Words& words);
};

constexpr Command kCommands[] = {
    {"init", Init},           {"shutdown", Shutdown},
    {"count", Count},         {"system", System},
    {"identity", Identity},   {"memory", Memory},
    {"rates", Rates},         {"temperature", Temperature},
    {"processes", Processes}, {"watch", Watch},
    {"await", Await},         {"fork", Fork},
    {"instances", Instances},
};

}  // namespace

int main() {
  library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    printf("%s\n", dlerror());
    return 2;
  }
  char line[256];
  while (fgets(line, sizeof line, stdin) != nullptr) {
    Words words(line);
    std::string name;
    words >> name;
    for (const Command& command : kCommands) {
      if (name == command.name) {
        command.act(words);
      }
    }
    fflush(stdout);
  }
  return 0;
}
