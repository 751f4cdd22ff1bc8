// SPDX-License-Identifier: Apache-2.0
// DriverEnvironment is what CUDA's own environment variables ask of a driver. The client library
// and the software GPU stand where programs expect one, so both heed them, and read them here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/abi/fatbin.h"

namespace farlane::abi {

// What to do about core dumps, before the program says otherwise. Immutable once read.
struct CoredumpWishes {
  bool on_exception = false;  // CUDA_ENABLE_COREDUMP_ON_EXCEPTION
  bool on_trigger = false;    // CUDA_ENABLE_USER_TRIGGERED_COREDUMP
  // CUDA_COREDUMP_GENERATION_FLAGS, and two older variables that stand for some of its flags
  std::optional<uint32_t> flags;
  std::optional<std::string> file;  // CUDA_COREDUMP_FILE
  std::optional<std::string> pipe;  // CUDA_COREDUMP_PIPE

  static CoredumpWishes FromEnvironment();
};

// Immutable once read.
struct DriverEnvironment {
  bool launch_blocking = false;  // CUDA_LAUNCH_BLOCKING
  bool eager_code = false;       // CUDA_MODULE_LOADING=EAGER
  bool eager_data = false;       // CUDA_MODULE_DATA_LOADING=EAGER; unset: as the code
  // CUDA_FORCE_PTX_JIT or CUDA_FORCE_JIT, CUDA_DISABLE_PTX_JIT or CUDA_DISABLE_JIT
  CodeChoice code;
  std::optional<bool> node_priority;           // CUDA_GRAPHS_USE_NODE_PRIORITY
  bool by_bus = false;                         // CUDA_DEVICE_ORDER=PCI_BUS_ID
  std::optional<std::string> visible_devices;  // CUDA_VISIBLE_DEVICES; empty: none

  static DriverEnvironment FromEnvironment();
  // As it was when somebody first asked: at the latest when CUDA was started.
  static const DriverEnvironment& OfProgram();

  // What a program's flags for a graph that is made ready become.
  uint64_t InstantiateFlags(uint64_t flags) const;
};

// A sentence for each variable that asks for what is not done here.
std::vector<std::string> UnheededWishes();

}  // namespace farlane::abi
