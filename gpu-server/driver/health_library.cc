// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/driver/health_library.h"

#include <algorithm>
#include <cstring>

#include <dlfcn.h>
#include <time.h>
#include <unistd.h>

#include "protocol/nvml/nvml_functions.h"

namespace farlane::server {

// The functions that are used; null where the library is older.
struct NvmlTable {
#define FARLANE_NVML_FUNCTIONS(X)                 \
  X(nvmlInit_v2)                                  \
  X(nvmlSystemGetDriverVersion)                   \
  X(nvmlDeviceGetCount_v2)                        \
  X(nvmlDeviceGetHandleByIndex_v2)                \
  X(nvmlDeviceGetUUID)                            \
  X(nvmlDeviceGetMigMode)                         \
  X(nvmlDeviceGetMaxMigDeviceCount)               \
  X(nvmlDeviceGetMigDeviceHandleByIndex)          \
  X(nvmlDeviceGetPciInfo_v3)                      \
  X(nvmlDeviceGetBrand)                           \
  X(nvmlDeviceGetTemperature)                     \
  X(nvmlDeviceGetTemperatureThreshold)            \
  X(nvmlDeviceGetPowerUsage)                      \
  X(nvmlDeviceGetEnforcedPowerLimit)              \
  X(nvmlDeviceGetPowerManagementDefaultLimit)     \
  X(nvmlDeviceGetPowerManagementLimitConstraints) \
  X(nvmlDeviceGetTotalEnergyConsumption)          \
  X(nvmlDeviceGetClockInfo)                       \
  X(nvmlDeviceGetMaxClockInfo)                    \
  X(nvmlDeviceGetFanSpeed)                        \
  X(nvmlDeviceGetPerformanceState)                \
  X(nvmlDeviceGetCurrentClocksThrottleReasons)    \
  X(nvmlDeviceGetEccMode)                         \
  X(nvmlDeviceGetTotalEccErrors)                  \
  X(nvmlDeviceGetSupportedEventTypes)             \
  X(nvmlDeviceRegisterEvents)                     \
  X(nvmlEventSetCreate)                           \
  X(nvmlEventSetWait_v2)

#define FARLANE_MEMBER(name) decltype(&::name) name = nullptr;
  FARLANE_NVML_FUNCTIONS(FARLANE_MEMBER)
#undef FARLANE_MEMBER
};

namespace {

using nvml::Gauge;

// The client library's, beside its functions.
constexpr char kShimMarker[] = "farlane_client_shim";

// A number that a function gives, if there is the function and it gives one.
template <typename T, typename Function, typename... Arguments>
std::optional<T> Ask(Function function, Arguments... arguments) {
  T value{};
  if (function == nullptr || function(arguments..., &value) != NVML_SUCCESS) {
    return std::nullopt;
  }
  return value;
}

using Number = unsigned int;

std::optional<uint64_t> Wide(std::optional<Number> number) {
  return number.has_value() ? std::optional<uint64_t>(*number) : std::nullopt;
}

void AskPower(const NvmlTable& table, nvmlDevice_t device, nvml::Gauges* gauges) {
  gauges->Set(Gauge::kPower, Wide(Ask<Number>(table.nvmlDeviceGetPowerUsage, device)));
  gauges->Set(Gauge::kPowerLimit, Wide(Ask<Number>(table.nvmlDeviceGetEnforcedPowerLimit, device)));
  gauges->Set(Gauge::kPowerLimitDefault,
              Wide(Ask<Number>(table.nvmlDeviceGetPowerManagementDefaultLimit, device)));
  Number least = 0;
  Number most = 0;
  if (table.nvmlDeviceGetPowerManagementLimitConstraints != nullptr &&
      table.nvmlDeviceGetPowerManagementLimitConstraints(device, &least, &most) == NVML_SUCCESS) {
    gauges->Set(Gauge::kPowerLimitMin, least);
    gauges->Set(Gauge::kPowerLimitMax, most);
  }
  gauges->Set(Gauge::kEnergy,
              Ask<unsigned long long>(table.nvmlDeviceGetTotalEnergyConsumption, device));
}

void AskClocks(const NvmlTable& table, nvmlDevice_t device, nvml::Gauges* gauges) {
  struct Clock {
    nvmlClockType_t type;
    Gauge now;
    Gauge most;
  };

  constexpr Clock kClocks[] = {
      {NVML_CLOCK_GRAPHICS, Gauge::kGraphicsClock, Gauge::kGraphicsClockMax},
      {NVML_CLOCK_SM, Gauge::kSmClock, Gauge::kSmClockMax},
      {NVML_CLOCK_MEM, Gauge::kMemoryClock, Gauge::kMemoryClockMax},
      {NVML_CLOCK_VIDEO, Gauge::kVideoClock, Gauge::kVideoClockMax},
  };
  for (const Clock& clock : kClocks) {
    gauges->Set(clock.now, Wide(Ask<Number>(table.nvmlDeviceGetClockInfo, device, clock.type)));
    gauges->Set(clock.most, Wide(Ask<Number>(table.nvmlDeviceGetMaxClockInfo, device, clock.type)));
  }
  gauges->Set(Gauge::kClockReasons,
              Ask<unsigned long long>(table.nvmlDeviceGetCurrentClocksThrottleReasons, device));
  const auto state = Ask<nvmlPstates_t>(table.nvmlDeviceGetPerformanceState, device);
  if (state.has_value() && *state != NVML_PSTATE_UNKNOWN) {
    gauges->Set(Gauge::kPerformanceState, static_cast<uint64_t>(*state));
  }
}

void AskTemperature(const NvmlTable& table, nvmlDevice_t device, nvml::Gauges* gauges) {
  gauges->Set(Gauge::kTemperature,
              Wide(Ask<Number>(table.nvmlDeviceGetTemperature, device, NVML_TEMPERATURE_GPU)));
  gauges->Set(Gauge::kTemperatureSlowdown,
              Wide(Ask<Number>(table.nvmlDeviceGetTemperatureThreshold, device,
                               NVML_TEMPERATURE_THRESHOLD_SLOWDOWN)));
  gauges->Set(Gauge::kTemperatureShutdown,
              Wide(Ask<Number>(table.nvmlDeviceGetTemperatureThreshold, device,
                               NVML_TEMPERATURE_THRESHOLD_SHUTDOWN)));
  gauges->Set(Gauge::kFan, Wide(Ask<Number>(table.nvmlDeviceGetFanSpeed, device)));
}

void AskErrors(const NvmlTable& table, nvmlDevice_t device, nvml::Gauges* gauges) {
  struct Counter {
    nvmlMemoryErrorType_t error;
    nvmlEccCounterType_t since;
    Gauge gauge;
  };

  constexpr Counter kCounters[] = {
      {NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC, Gauge::kEccCorrected},
      {NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC, Gauge::kEccUncorrected},
      {NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_AGGREGATE_ECC, Gauge::kEccCorrectedEver},
      {NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_AGGREGATE_ECC, Gauge::kEccUncorrectedEver},
  };
  for (const Counter& counter : kCounters) {
    gauges->Set(counter.gauge, Ask<unsigned long long>(table.nvmlDeviceGetTotalEccErrors, device,
                                                       counter.error, counter.since));
  }
  nvmlEnableState_t current = NVML_FEATURE_DISABLED;
  nvmlEnableState_t pending = NVML_FEATURE_DISABLED;
  if (table.nvmlDeviceGetEccMode != nullptr &&
      table.nvmlDeviceGetEccMode(device, &current, &pending) == NVML_SUCCESS) {
    gauges->Set(Gauge::kEccMode, current == NVML_FEATURE_ENABLED ? 1 : 0);
  }
}

// "GPU-" or "MIG-" and 32 hexadecimal digits with dashes between them. False for anything else, as
// for the names that instances had before R470.
bool ReadUuid(const char* text, uint8_t (&uuid)[16]) {
  constexpr char kDigits[] = "0123456789abcdef";
  size_t nibbles = 0;
  const bool prefixed = strncmp(text, "GPU-", 4) == 0 || strncmp(text, "MIG-", 4) == 0;
  for (text += prefixed ? 4 : 0; *text != '\0'; ++text) {
    const char* const digit = strchr(kDigits, *text);
    if (*text == '-') {
      continue;
    }
    if (digit == nullptr || nibbles >= 2 * sizeof uuid) {
      return false;
    }
    uint8_t& byte = uuid[nibbles++ / 2];
    byte = static_cast<uint8_t>(byte << 4 | (digit - kDigits));
  }
  return nibbles == 2 * sizeof uuid;
}

}  // namespace

std::string HealthLibrary::PathBeside(const std::string& driver_path) {
  return driver_path.substr(0, driver_path.rfind('/') + 1) + "libnvidia-ml.so.1";
}

Result<std::unique_ptr<HealthLibrary>> HealthLibrary::Load(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) {
    return Status(StatusCode::kNotFound, "there is no " + path);
  }
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Status(StatusCode::kNotFound, dlerror());
  }
  if (dlsym(library, kShimMarker) != nullptr) {
    return Status(StatusCode::kRefused, path + " is Farlane's client library");
  }
  auto table = std::make_unique<NvmlTable>();
#define FARLANE_LOOK_UP(name) \
  table->name = reinterpret_cast<decltype(table->name)>(dlsym(library, #name));
  FARLANE_NVML_FUNCTIONS(FARLANE_LOOK_UP)
#undef FARLANE_LOOK_UP
  if (table->nvmlInit_v2 == nullptr || table->nvmlDeviceGetCount_v2 == nullptr ||
      table->nvmlDeviceGetHandleByIndex_v2 == nullptr || table->nvmlDeviceGetUUID == nullptr) {
    return Status(StatusCode::kCorrupt, path + " is no NVML");
  }
  if (const nvmlReturn_t result = table->nvmlInit_v2(); result != NVML_SUCCESS) {
    return Status(StatusCode::kUnavailable,
                  path + " does not start: it says " + std::to_string(static_cast<int>(result)));
  }
  std::unique_ptr<HealthLibrary> loaded(new HealthLibrary(std::move(table)));
  loaded->WatchErrors();
  return loaded;
}

HealthLibrary::HealthLibrary(std::unique_ptr<const NvmlTable> table) : table_(std::move(table)) {}

HealthLibrary::~HealthLibrary() = default;

void HealthLibrary::WatchErrors() {
  constexpr unsigned long long kXid = nvmlEventTypeXidCriticalError;
  if (table_->nvmlEventSetCreate == nullptr || table_->nvmlDeviceRegisterEvents == nullptr ||
      table_->nvmlEventSetWait_v2 == nullptr ||
      table_->nvmlDeviceGetSupportedEventTypes == nullptr ||
      table_->nvmlEventSetCreate(&events_) != NVML_SUCCESS) {
    events_ = nullptr;
    return;
  }
  unsigned int count = 0;
  static_cast<void>(table_->nvmlDeviceGetCount_v2(&count));
  for (unsigned int i = 0; i < std::min<size_t>(count, nvml::kReportGpusMax); ++i) {
    nvmlDevice_t device = nullptr;
    unsigned long long types = 0;
    if (table_->nvmlDeviceGetHandleByIndex_v2(i, &device) == NVML_SUCCESS &&
        table_->nvmlDeviceGetSupportedEventTypes(device, &types) == NVML_SUCCESS &&
        (types & kXid) != 0 &&
        table_->nvmlDeviceRegisterEvents(device, kXid, events_) == NVML_SUCCESS) {
      errors_.push_back({.device = device, .last = std::nullopt, .count = 0});
    }
  }
  if (errors_.empty()) {
    events_ = nullptr;
  }
}

void HealthLibrary::Wait(uint32_t milliseconds) {
  nvmlEventData_t event{};
  if (events_ == nullptr) {
    usleep(milliseconds * 1000);
    return;
  }
  const nvmlReturn_t result = table_->nvmlEventSetWait_v2(events_, &event, milliseconds);
  if (result == NVML_ERROR_TIMEOUT) {
    return;
  }
  if (result != NVML_SUCCESS) {
    usleep(milliseconds * 1000);  // it did not wait
    return;
  }
  for (Errors& errors : errors_) {
    if (errors.device == event.device) {
      errors.last = event.eventData;
      ++errors.count;
    }
  }
}

nvml::Gpu HealthLibrary::LookAt(nvmlDevice_t device) const {
  nvml::Gpu gpu;
  AskTemperature(*table_, device, &gpu.gauges);
  AskPower(*table_, device, &gpu.gauges);
  AskClocks(*table_, device, &gpu.gauges);
  AskErrors(*table_, device, &gpu.gauges);
  if (const auto brand = Ask<nvmlBrandType_t>(table_->nvmlDeviceGetBrand, device)) {
    gpu.gauges.Set(Gauge::kBrand, static_cast<uint64_t>(*brand));
  }
  if (const auto pci = Ask<nvmlPciInfo_t>(table_->nvmlDeviceGetPciInfo_v3, device)) {
    gpu.gauges.Set(Gauge::kPciDeviceId, pci->pciDeviceId);
    gpu.gauges.Set(Gauge::kPciSubsystemId, pci->pciSubSystemId);
  }
  for (const Errors& errors : errors_) {
    if (errors.device == device) {
      gpu.gauges.Set(Gauge::kXid, errors.last);
      gpu.gauges.Set(Gauge::kXidCount, errors.count);
    }
  }
  return gpu;
}

nvml::Report HealthLibrary::Look() {
  nvml::Report report;
  char text[128] = {};
  if (table_->nvmlSystemGetDriverVersion != nullptr &&
      table_->nvmlSystemGetDriverVersion(text, sizeof text - 1) == NVML_SUCCESS) {
    report.driver_version = text;
  }
  unsigned int count = 0;
  static_cast<void>(table_->nvmlDeviceGetCount_v2(&count));
  for (unsigned int i = 0; i < std::min<size_t>(count, nvml::kReportGpusMax); ++i) {
    nvmlDevice_t device = nullptr;
    uint8_t uuid[16] = {};
    if (table_->nvmlDeviceGetHandleByIndex_v2(i, &device) != NVML_SUCCESS ||
        table_->nvmlDeviceGetUUID(device, text, sizeof text - 1) != NVML_SUCCESS ||
        !ReadUuid(text, uuid)) {
      continue;
    }
    nvml::Gpu gpu = LookAt(device);
    memcpy(gpu.uuid, uuid, sizeof gpu.uuid);
    report.gpus.push_back(gpu);
    for (const std::string& instance : InstancesOf(device)) {
      if (report.gpus.size() < nvml::kReportGpusMax && ReadUuid(instance.c_str(), gpu.uuid)) {
        report.gpus.push_back(gpu);
      }
    }
  }
  return report;
}

bool HealthLibrary::IsDivided(nvmlDevice_t device) const {
  constexpr Number kEnabled = 1;
  Number current = 0;
  Number pending = 0;
  return table_->nvmlDeviceGetMigMode != nullptr &&
         table_->nvmlDeviceGetMigMode(device, &current, &pending) == NVML_SUCCESS &&
         current == kEnabled;
}

// Instances come and go, so there may be gaps among their numbers.
std::vector<std::string> HealthLibrary::InstancesOf(nvmlDevice_t device) const {
  std::vector<std::string> found;
  if (!IsDivided(device) || table_->nvmlDeviceGetMigDeviceHandleByIndex == nullptr) {
    return found;
  }
  const Number most = Ask<Number>(table_->nvmlDeviceGetMaxMigDeviceCount, device).value_or(0);
  for (Number i = 0; i < std::min<size_t>(most, nvml::kReportGpusMax); ++i) {
    nvmlDevice_t instance = nullptr;
    char text[128] = {};
    uint8_t uuid[16] = {};
    if (table_->nvmlDeviceGetMigDeviceHandleByIndex(device, i, &instance) == NVML_SUCCESS &&
        table_->nvmlDeviceGetUUID(instance, text, sizeof text - 1) == NVML_SUCCESS &&
        strncmp(text, "MIG-", 4) == 0 && ReadUuid(text, uuid)) {
      found.emplace_back(text);
    }
  }
  return found;
}

HealthLibrary::Visible HealthLibrary::FindVisible() const {
  Visible visible;
  Number count = 0;
  static_cast<void>(table_->nvmlDeviceGetCount_v2(&count));
  for (Number i = 0; i < std::min<size_t>(count, nvml::kReportGpusMax); ++i) {
    nvmlDevice_t device = nullptr;
    char text[128] = {};
    if (table_->nvmlDeviceGetHandleByIndex_v2(i, &device) != NVML_SUCCESS ||
        table_->nvmlDeviceGetUUID(device, text, sizeof text - 1) != NVML_SUCCESS) {
      continue;
    }
    if (!IsDivided(device)) {
      visible.whole.emplace_back(text);
    }
    for (std::string& instance : InstancesOf(device)) {
      visible.instances.push_back(std::move(instance));
    }
  }
  return visible;
}

}  // namespace farlane::server
