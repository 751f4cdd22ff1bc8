// SPDX-License-Identifier: Apache-2.0
// What can be said about a device in the words of NVML.
#pragma once

#include <optional>
#include <string>

#include "protocol/nvml/nvml_abi.h"
#include "protocol/nvml/report.h"

namespace farlane::nvml {

// The version number that a struct of the program carries: its size, and its own number.
template <typename T>
constexpr unsigned int StructVersion(unsigned int number) {
  return static_cast<unsigned int>(sizeof(T)) | number << 24;
}

// Of this library, which follows the driver's.
std::string NvmlVersion(const Report& report);

nvmlPciInfo_t PciInfoOf(const Gpu& gpu);
nvmlDeviceArchitecture_t ArchitectureOf(const Gpu& gpu);

// Reserved memory is in nobody's use, but it cannot be had either: the old form has one number for
// both.
std::optional<nvmlMemory_t> MemoryOf(const Gpu& gpu);
std::optional<nvmlUtilization_t> UtilizationOf(const Gpu& gpu);

std::optional<uint64_t> ClockOf(const Gpu& gpu, nvmlClockType_t type);
std::optional<uint64_t> MaxClockOf(const Gpu& gpu, nvmlClockType_t type);
std::optional<uint64_t> ThresholdOf(const Gpu& gpu, nvmlTemperatureThresholds_t type);
std::optional<uint64_t> EccErrorsOf(const Gpu& gpu,
                                    nvmlMemoryErrorType_t error,
                                    nvmlEccCounterType_t counter);

// Whether a device is divided: nothing where it cannot be.
std::optional<unsigned int> MigModeOf(const Gpu& gpu);
// Each instance has one compute instance, the first.
std::optional<unsigned int> ComputeInstanceOf(const Gpu& gpu);
std::optional<nvmlDeviceAttributes_t> AttributesOf(const Gpu& gpu);

// A number that is never 0.
inline std::optional<uint32_t> Known(uint32_t number) {
  return number == 0 ? std::nullopt : std::optional<uint32_t>(number);
}

}  // namespace farlane::nvml
