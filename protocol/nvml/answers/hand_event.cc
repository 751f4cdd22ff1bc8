// SPDX-License-Identifier: Apache-2.0
// Events are found by looking: the count of hardware errors in a report is another one than it was
// when a program began to wait for the next.
#include <algorithm>
#include <map>
#include <vector>

#include <time.h>

#include "protocol/base/clock.h"
#include "protocol/base/guarded.h"
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"

namespace farlane::nvml {
namespace {

constexpr uint64_t kLookEveryNs = 250'000'000;
constexpr uint64_t kMillisecondNs = 1'000'000;
// More than a program has a use for.
constexpr size_t kSetsMax = 4096;

struct Watched {
  size_t index = 0;
  uint64_t seen = 0;  // of Gauge::kXidCount
};

// Of each set what it watches. The addresses that programs have are numbers to us.
struct Sets {
  uintptr_t last = 0;
  std::map<uintptr_t, std::vector<Watched>> by_handle;
};

Guarded<Sets>& AllSets() {
  static auto* const sets = new Guarded<Sets>();  // programs wait while the process ends
  return *sets;
}

uintptr_t NumberOf(nvmlEventSet_t set) {
  return reinterpret_cast<uintptr_t>(set);
}

// An event that a set has not told yet; kTimeout: none.
nvmlReturn_t TakeEvent(const Report& report, nvmlEventSet_t set, nvmlEventData_t* data) {
  nvmlReturn_t result = NVML_ERROR_TIMEOUT;
  AllSets().With([&](Sets& sets) {
    const auto found = sets.by_handle.find(NumberOf(set));
    if (found == sets.by_handle.end()) {
      result = NVML_ERROR_INVALID_ARGUMENT;
      return;
    }
    for (Watched& watched : found->second) {
      if (watched.index >= report.gpus.size() || result == NVML_SUCCESS) {
        continue;
      }
      const Gauges& gauges = report.gpus[watched.index].gauges;
      const uint64_t count = gauges[Gauge::kXidCount].value_or(watched.seen);
      if (count != watched.seen) {
        watched.seen = count;
        *data = {};
        data->device = HandleOf(watched.index);
        data->eventType = nvmlEventTypeXidCriticalError;
        data->eventData = gauges[Gauge::kXid].value_or(0);
        data->gpuInstanceId = 0xffffffff;
        data->computeInstanceId = 0xffffffff;
        result = NVML_SUCCESS;
      }
    }
  });
  return result;
}

}  // namespace

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  const Look look;
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (set == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return AllSets().With([set](Sets& sets) {
    if (sets.by_handle.size() >= kSetsMax) {
      return NVML_ERROR_MEMORY;
    }
    sets.by_handle[++sets.last];
    *set = reinterpret_cast<nvmlEventSet_t>(sets.last);
    return NVML_SUCCESS;
  });
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
  return AllSets().With([set](Sets& sets) {
    return sets.by_handle.erase(NumberOf(set)) == 1 ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
  });
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device,
                                      unsigned long long eventTypes,
                                      nvmlEventSet_t set) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  const std::optional<uint64_t> count = look.gpu().gauges[Gauge::kXidCount];
  if ((eventTypes & ~static_cast<unsigned long long>(nvmlEventTypeXidCriticalError)) != 0 ||
      (eventTypes != 0 && !count.has_value())) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  return AllSets().With([&](Sets& sets) {
    const auto found = sets.by_handle.find(NumberOf(set));
    if (found == sets.by_handle.end()) {
      return NVML_ERROR_INVALID_ARGUMENT;
    }
    const bool known =
        std::any_of(found->second.begin(), found->second.end(),
                    [&look](const Watched& one) { return one.index == look.index(); });
    if (eventTypes != 0 && !known) {
      found->second.push_back({.index = look.index(), .seen = *count});
    }
    return NVML_SUCCESS;
  });
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set,
                                 nvmlEventData_t* data,
                                 unsigned int timeoutms) {
  if (data == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  const uint64_t until_ns = NowNs() + timeoutms * kMillisecondNs;
  while (true) {
    const Look look;
    const nvmlReturn_t result =
        look.result() == NVML_SUCCESS ? TakeEvent(look.report(), set, data) : look.result();
    const uint64_t now_ns = NowNs();
    if (result != NVML_ERROR_TIMEOUT || now_ns >= until_ns) {
      return result;
    }
    const uint64_t pause_ns = std::min(kLookEveryNs, until_ns - now_ns);
    const timespec pause{.tv_sec = 0, .tv_nsec = static_cast<long>(pause_ns)};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace farlane::nvml
