// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/fault_plan.h"

#include <gtest/gtest.h>

namespace farlane::soft {
namespace {

FaultPlan Plan(std::string_view text) {
  auto plan = FaultPlan::Parse(text);
  EXPECT_TRUE(plan.ok()) << plan.error().message();
  return std::move(plan).value();
}

TEST(FaultPlan, FailsACallAtItsTurnOnly) {
  FaultPlan plan = Plan("cuMemAlloc_v2@2=2");
  EXPECT_EQ(plan.Next("cuMemAlloc_v2").kind, FaultKind::kNone);
  EXPECT_EQ(plan.Next("cuMemFree_v2").kind, FaultKind::kNone);
  const PlannedFault fault = plan.Next("cuMemAlloc_v2");
  EXPECT_EQ(fault.kind, FaultKind::kAtOnce);
  EXPECT_EQ(fault.result, CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(plan.Next("cuMemAlloc_v2").kind, FaultKind::kNone);
}

TEST(FaultPlan, FailsACallFromATurnOnwards) {
  FaultPlan plan = Plan(" cuLaunchKernel@2+=719:late , cuCtxSynchronize@1=700");
  EXPECT_EQ(plan.Next("cuLaunchKernel").kind, FaultKind::kNone);
  for (int i = 0; i < 3; ++i) {
    const PlannedFault fault = plan.Next("cuLaunchKernel");
    EXPECT_EQ(fault.kind, FaultKind::kLate);
    EXPECT_EQ(fault.result, CUDA_ERROR_LAUNCH_FAILED);
  }
  EXPECT_EQ(plan.Next("cuCtxSynchronize").result, CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST(FaultPlan, WhatIsLostStaysLost) {
  FaultPlan plan = Plan("cuMemcpyDtoH_v2@1=lost");
  EXPECT_EQ(plan.Next("cuMemAlloc_v2").kind, FaultKind::kNone);
  EXPECT_EQ(plan.Next("cuMemcpyDtoH_v2").kind, FaultKind::kLost);
  EXPECT_EQ(plan.Next("cuMemAlloc_v2").result, CUDA_ERROR_DEVICE_UNAVAILABLE);
}

TEST(FaultPlan, ACopyMayEndHalfWay) {
  FaultPlan plan = Plan("cuMemcpyHtoD_v2@1=719:half,cuMemcpyHtoD_v2@2=die");
  const PlannedFault half = plan.Next("cuMemcpyHtoD_v2");
  EXPECT_EQ(half.kind, FaultKind::kHalf);
  EXPECT_EQ(half.result, CUDA_ERROR_LAUNCH_FAILED);
  EXPECT_EQ(plan.Next("cuMemcpyHtoD_v2").kind, FaultKind::kDeath);
  EXPECT_EQ(plan.Next("cuMemcpyHtoD_v2").kind, FaultKind::kNone);
}

TEST(FaultPlan, NothingPlannedIsEmpty) {
  EXPECT_TRUE(Plan("").empty());
  EXPECT_TRUE(Plan("  ").empty());
}

TEST(FaultPlan, WhatIsNoPlanIsRefused) {
  for (const char* text :
       {"cuMemAlloc_v2", "cuMemAlloc_v2=2", "cuMemAlloc_v2@=2", "cuMemAlloc_v2@0=2",
        "cuMemAlloc_v2@1", "cuMemAlloc_v2@1=", "cuMemAlloc_v2@1=0", "cuMemAlloc_v2@1=1000",
        "cuMemAlloc_v2@1=2:soon", "cuMemAlloc_v2@1=:half", "cuMemAlloc_v2@1=die:half", "@1=2",
        "cuMemAlloc_v2@x=2", "cuMemAlloc_v2@1=2;cuMemFree_v2@1=2", ","}) {
    EXPECT_FALSE(FaultPlan::Parse(text).ok()) << text;
  }
}

}  // namespace
}  // namespace farlane::soft
