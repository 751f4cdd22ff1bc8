// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/driver_environment.h"

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/environment.h"

namespace farlane::abi {
namespace {

std::optional<bool> Switch(const char* name) {
  const std::optional<std::string> value = Environment(name);
  return value.has_value() ? std::optional<bool>(*value != "0") : std::nullopt;
}

bool IsOn(const char* name) {
  return Switch(name).value_or(false);
}

struct FlagName {
  const char* name;
  uint32_t flag;
};

constexpr FlagName kFlagNames[] = {
    {"skip_nonrelocated_elf_images", CU_COREDUMP_SKIP_NONRELOCATED_ELF_IMAGES},
    {"skip_global_memory", CU_COREDUMP_SKIP_GLOBAL_MEMORY},
    {"skip_shared_memory", CU_COREDUMP_SKIP_SHARED_MEMORY},
    {"skip_local_memory", CU_COREDUMP_SKIP_LOCAL_MEMORY},
    {"skip_abort", CU_COREDUMP_SKIP_ABORT},
    {"skip_constbank_memory", CU_COREDUMP_SKIP_CONSTBANK_MEMORY},
};

// Names with commas between them; those that nobody knows ask for nothing.
uint32_t FlagsOf(const std::string& text) {
  const std::string list = "," + text + ",";
  uint32_t flags = CU_COREDUMP_DEFAULT_FLAGS;
  for (const FlagName& known : kFlagNames) {
    if (list.find("," + std::string(known.name) + ",") != std::string::npos) {
      flags |= known.flag;
    }
  }
  return flags;
}

}  // namespace

CoredumpWishes CoredumpWishes::FromEnvironment() {
  CoredumpWishes wishes;
  wishes.on_exception = IsOn("CUDA_ENABLE_COREDUMP_ON_EXCEPTION");
  wishes.on_trigger = IsOn("CUDA_ENABLE_USER_TRIGGERED_COREDUMP");
  wishes.file = Environment("CUDA_COREDUMP_FILE");
  wishes.pipe = Environment("CUDA_COREDUMP_PIPE");
  if (const auto flags = Environment("CUDA_COREDUMP_GENERATION_FLAGS")) {
    wishes.flags = FlagsOf(*flags);
  }
  if (IsOn("CUDA_ENABLE_LIGHTWEIGHT_COREDUMP")) {
    wishes.flags = wishes.flags.value_or(0) | CU_COREDUMP_LIGHTWEIGHT_FLAGS;
  }
  if (Switch("CUDA_ENABLE_CPU_COREDUMP_ON_EXCEPTION") == false) {
    wishes.flags = wishes.flags.value_or(0) | CU_COREDUMP_SKIP_ABORT;
  }
  return wishes;
}

DriverEnvironment DriverEnvironment::FromEnvironment() {
  DriverEnvironment asked;
  asked.launch_blocking = IsOn("CUDA_LAUNCH_BLOCKING");
  asked.eager_code = Environment("CUDA_MODULE_LOADING") == "EAGER";
  const auto data = Environment("CUDA_MODULE_DATA_LOADING");
  asked.eager_data = data.has_value() ? *data == "EAGER" : asked.eager_code;
  // Of each two the one with PTX in its name counts.
  asked.code.machine_code = !Switch("CUDA_FORCE_PTX_JIT").value_or(IsOn("CUDA_FORCE_JIT"));
  asked.code.compiling = !Switch("CUDA_DISABLE_PTX_JIT").value_or(IsOn("CUDA_DISABLE_JIT"));
  asked.node_priority = Switch("CUDA_GRAPHS_USE_NODE_PRIORITY");
  asked.by_bus = Environment("CUDA_DEVICE_ORDER") == "PCI_BUS_ID";
  // Set but empty means "no device", which is not the same as unset.
  if (const char* visible = RawEnvironment("CUDA_VISIBLE_DEVICES")) {
    asked.visible_devices = visible;
  }
  return asked;
}

const DriverEnvironment& DriverEnvironment::OfProgram() {
  static const auto* const asked = new DriverEnvironment(FromEnvironment());  // never destroyed
  return *asked;
}

uint64_t DriverEnvironment::InstantiateFlags(uint64_t flags) const {
  constexpr uint64_t kPriority = CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
  return !node_priority.has_value() ? flags
         : *node_priority           ? flags | kPriority
                                    : flags & ~kPriority;
}

std::vector<std::string> UnheededWishes() {
  std::vector<std::string> said;
  const CoredumpWishes coredump = CoredumpWishes::FromEnvironment();
  if (coredump.on_exception || coredump.on_trigger) {
    said.emplace_back(
        "CUDA_ENABLE_COREDUMP_ON_EXCEPTION or CUDA_ENABLE_USER_TRIGGERED_COREDUMP is set, but no "
        "core dumps of a GPU are made here");
  }
  if (IsOn("CUDA_DEVICE_WAITS_ON_EXCEPTION")) {
    said.emplace_back(
        "CUDA_DEVICE_WAITS_ON_EXCEPTION is set, but no debugger reaches the GPU from here: kernels "
        "that fail end at once");
  }
  return said;
}

}  // namespace farlane::abi
