// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "protocol/base/clock.h"
#include "protocol/nvml/answers/about.h"
#include "protocol/nvml/answers/give.h"
#include "protocol/nvml/answers/look.h"
#include "protocol/nvml/bodies.h"

namespace farlane::nvml {
namespace {

struct Field {
  unsigned int id;
  Gauge gauge;
};

constexpr Field kFields[] = {
    {NVML_FI_DEV_ECC_CURRENT, Gauge::kEccMode},
    {NVML_FI_DEV_ECC_SBE_VOL_TOTAL, Gauge::kEccCorrected},
    {NVML_FI_DEV_ECC_DBE_VOL_TOTAL, Gauge::kEccUncorrected},
    {NVML_FI_DEV_ECC_SBE_AGG_TOTAL, Gauge::kEccCorrectedEver},
    {NVML_FI_DEV_ECC_DBE_AGG_TOTAL, Gauge::kEccUncorrectedEver},
    {NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, Gauge::kEnergy},
    {NVML_FI_DEV_POWER_INSTANT, Gauge::kPower},
};

std::optional<uint64_t> ValueOf(const Gpu& gpu, unsigned int id) {
  const auto* const found = std::find_if(std::begin(kFields), std::end(kFields),
                                         [id](const Field& field) { return field.id == id; });
  return found == std::end(kFields) ? std::nullopt : gpu.gauges[found->gauge];
}

}  // namespace

nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device,
                                nvmlClockType_t clockType,
                                nvmlClockId_t clockId,
                                unsigned int* clockMHz) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (clockMHz == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  switch (clockId) {
    case NVML_CLOCK_ID_CURRENT:
      return Give(clockMHz, ClockOf(look.gpu(), clockType));
    case NVML_CLOCK_ID_CUSTOMER_BOOST_MAX:
      return Give(clockMHz, MaxClockOf(look.gpu(), clockType));
    default:
      return NVML_ERROR_NOT_SUPPORTED;
  }
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device,
                                      nvmlTemperatureSensors_t sensorType,
                                      unsigned int* temp) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (temp == nullptr || sensorType != NVML_TEMPERATURE_GPU) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return Give(temp, look.gpu().gauges[Gauge::kTemperature]);
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t* temperature) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (temperature == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (temperature->version != StructVersion<nvmlTemperature_t>(1)) {
    return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  }
  if (temperature->sensorType != NVML_TEMPERATURE_GPU) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return Give(&temperature->temperature, look.gpu().gauges[Gauge::kTemperature]);
}

// A device's fans are told as one.
nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int* speed) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (speed == nullptr || fan != 0) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  return Give(speed, look.gpu().gauges[Gauge::kFan]);
}

// Each field says for itself whether it is known.
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device,
                                      int valuesCount,
                                      nvmlFieldValue_t* values) {
  const Look look(device);
  if (look.result() != NVML_SUCCESS) {
    return look.result();
  }
  if (valuesCount <= 0 || values == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  for (int i = 0; i < valuesCount; ++i) {
    nvmlFieldValue_t& field = values[i];
    const std::optional<uint64_t> value = ValueOf(look.gpu(), field.fieldId);
    field.timestamp = static_cast<long long>(NowNs() / 1000);
    field.latencyUsec = 0;
    field.nvmlReturn = value.has_value() ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
    if (value.has_value()) {
      field.valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
      field.value.ullVal = *value;
    }
  }
  return NVML_SUCCESS;
}

}  // namespace farlane::nvml
