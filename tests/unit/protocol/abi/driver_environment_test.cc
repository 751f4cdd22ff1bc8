// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/driver_environment.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {
namespace {

// One variable, until the end of the scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }

  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

  ~Variable() { unsetenv(name_); }

 private:
  const char* const name_;
};

DriverEnvironment Read() {
  return DriverEnvironment::FromEnvironment();
}

TEST(DriverEnvironment, NothingIsAskedByNothing) {
  const DriverEnvironment asked = Read();
  EXPECT_FALSE(asked.launch_blocking);
  EXPECT_FALSE(asked.eager_code);
  EXPECT_FALSE(asked.eager_data);
  EXPECT_TRUE(asked.code.machine_code);
  EXPECT_TRUE(asked.code.compiling);
  EXPECT_FALSE(asked.by_bus);
  EXPECT_FALSE(asked.visible_devices.has_value());
  EXPECT_EQ(asked.InstantiateFlags(CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY),
            uint64_t{CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY});
  EXPECT_TRUE(UnheededWishes().empty());
}

TEST(DriverEnvironment, ZeroAndNothingSwitchOff) {
  for (const char* off : {"0", ""}) {
    const Variable blocking("CUDA_LAUNCH_BLOCKING", off);
    EXPECT_FALSE(Read().launch_blocking);
  }
  const Variable blocking("CUDA_LAUNCH_BLOCKING", "1");
  EXPECT_TRUE(Read().launch_blocking);
}

TEST(DriverEnvironment, DataIsLoadedAsCodeUnlessItIsSaid) {
  const Variable code("CUDA_MODULE_LOADING", "EAGER");
  EXPECT_TRUE(Read().eager_code);
  EXPECT_TRUE(Read().eager_data);
  const Variable data("CUDA_MODULE_DATA_LOADING", "LAZY");
  EXPECT_TRUE(Read().eager_code);
  EXPECT_FALSE(Read().eager_data);
}

TEST(DriverEnvironment, TheNameWithPtxInItCounts) {
  const Variable force("CUDA_FORCE_JIT", "1");
  const Variable disable("CUDA_DISABLE_JIT", "1");
  EXPECT_FALSE(Read().code.machine_code);
  EXPECT_FALSE(Read().code.compiling);
  const Variable force_ptx("CUDA_FORCE_PTX_JIT", "0");
  const Variable disable_ptx("CUDA_DISABLE_PTX_JIT", "0");
  EXPECT_TRUE(Read().code.machine_code);
  EXPECT_TRUE(Read().code.compiling);
}

TEST(DriverEnvironment, NoDeviceIsNotTheSameAsNothingSaid) {
  const Variable visible("CUDA_VISIBLE_DEVICES", "");
  EXPECT_EQ(Read().visible_devices, "");
}

TEST(DriverEnvironment, PrioritiesOfNodesAreSwitchedOnAndOffForAllGraphs) {
  constexpr uint64_t kPriority = CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;
  constexpr uint64_t kOther = CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
  {
    const Variable on("CUDA_GRAPHS_USE_NODE_PRIORITY", "1");
    EXPECT_EQ(Read().InstantiateFlags(kOther), kOther | kPriority);
  }
  const Variable off("CUDA_GRAPHS_USE_NODE_PRIORITY", "0");
  EXPECT_EQ(Read().InstantiateFlags(kOther | kPriority), kOther);
}

TEST(DriverEnvironment, OlderNamesOfCoreDumpsStandForFlags) {
  const Variable light("CUDA_ENABLE_LIGHTWEIGHT_COREDUMP", "1");
  const Variable host("CUDA_ENABLE_CPU_COREDUMP_ON_EXCEPTION", "0");
  EXPECT_EQ(CoredumpWishes::FromEnvironment().flags,
            uint32_t{CU_COREDUMP_LIGHTWEIGHT_FLAGS | CU_COREDUMP_SKIP_ABORT});
}

TEST(DriverEnvironment, FlagsOfCoreDumpsHaveNames) {
  EXPECT_FALSE(CoredumpWishes::FromEnvironment().flags.has_value());
  const Variable flags("CUDA_COREDUMP_GENERATION_FLAGS",
                       "skip_constbank_memory,skip_shared,skip_nonrelocated_elf_images");
  EXPECT_EQ(CoredumpWishes::FromEnvironment().flags,
            uint32_t{CU_COREDUMP_SKIP_CONSTBANK_MEMORY | CU_COREDUMP_SKIP_NONRELOCATED_ELF_IMAGES});
}

TEST(DriverEnvironment, WhatIsNotDoneIsSaid) {
  const Variable dump("CUDA_ENABLE_USER_TRIGGERED_COREDUMP", "1");
  const Variable waits("CUDA_DEVICE_WAITS_ON_EXCEPTION", "1");
  ASSERT_EQ(UnheededWishes().size(), 2u);
  EXPECT_NE(UnheededWishes()[0].find("CUDA_ENABLE_USER_TRIGGERED_COREDUMP"), std::string::npos);
  EXPECT_NE(UnheededWishes()[1].find("CUDA_DEVICE_WAITS_ON_EXCEPTION"), std::string::npos);
}

}  // namespace
}  // namespace farlane::abi
