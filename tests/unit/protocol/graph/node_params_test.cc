// SPDX-License-Identifier: Apache-2.0
// What programs say about nodes, kept and given back.
#include "protocol/graph/node_params.h"

#include <gtest/gtest.h>

#include "protocol/graph/dot_print.h"

namespace farlane::graph {
namespace {

constexpr CUdeviceptr kDevice = 0x700000000000;

bool IsDevice(CUdeviceptr address) {
  return address >= kDevice;
}

CUgraphNodeParams Copy(CUmemorytype to, CUmemorytype from, size_t rows) {
  CUDA_MEMCPY3D copy{};
  copy.dstMemoryType = to;
  copy.srcMemoryType = from;
  copy.dstDevice = kDevice;
  copy.srcDevice = kDevice;
  copy.WidthInBytes = 16;
  copy.Height = rows;
  copy.Depth = 1;
  return *CopyNode(&copy, nullptr);
}

TEST(NodeParams, AKernelsArgumentsAreCopiedAndPointedTo) {
  std::vector<std::byte> packed(12, std::byte{0});
  packed[8] = std::byte{42};
  const CUDA_KERNEL_NODE_PARAMS_v1 kernel{};
  const ArgumentPlace places[] = {{.offset = 0, .bytes = 8}, {.offset = 8, .bytes = 4}};
  const NodeParamsPtr kept = KeepKernel(*KernelNode(&kernel), packed, places, {});
  packed[8] = std::byte{0};
  CUDA_KERNEL_NODE_PARAMS_v1 given{};
  ASSERT_EQ(Give(*kept, &given), CUDA_SUCCESS);
  EXPECT_EQ(*static_cast<int*>(given.kernelParams[1]), 42);
  EXPECT_EQ(given.extra, nullptr);
}

TEST(NodeParams, ANodeOfAnotherKindIsRefused) {
  const NodeParamsPtr kept = Keep(*EmptyNode());
  CUDA_KERNEL_NODE_PARAMS_v2 kernel{};
  CUDA_MEMCPY3D copy{};
  CUevent event = nullptr;
  EXPECT_EQ(Give(*kept, &kernel), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Give(*kept, &copy), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(GiveEvent(*kept, CU_GRAPH_NODE_TYPE_WAIT_EVENT, &event), CUDA_ERROR_INVALID_VALUE);
}

TEST(NodeParams, WhatIsReadyTakesPlainRunsBetweenTheSameMemoriesOnly) {
  const NodeParamsPtr old = Keep(Copy(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST, 1));
  const auto check = [&](CUmemorytype to, CUmemorytype from, size_t rows) {
    return CheckReplaces(*old, Copy(to, from, rows), &IsDevice);
  };
  EXPECT_EQ(check(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST, 1), CUDA_SUCCESS);
  EXPECT_EQ(check(CU_MEMORYTYPE_UNIFIED, CU_MEMORYTYPE_HOST, 1), CUDA_SUCCESS);
  EXPECT_EQ(check(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_UNIFIED, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(check(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_DEVICE, 1), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(check(CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST, 2), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(CheckReplaces(*old, *EmptyNode(), &IsDevice), CUDA_ERROR_INVALID_VALUE);
}

TEST(NodeParams, AnAttributeIsReplacedAndOthersStay) {
  const CUDA_KERNEL_NODE_PARAMS_v1 kernel{};
  CUlaunchAttribute priority{};
  priority.id = CU_LAUNCH_ATTRIBUTE_PRIORITY;
  priority.value.priority = -3;
  const NodeParamsPtr kept = KeepKernel(*KernelNode(&kernel), {}, {}, {priority});
  CUkernelNodeAttrValue value{};
  value.cooperative = 1;
  Attributes attributes;
  ASSERT_EQ(WithAttribute(*kept, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, value, &attributes),
            CUDA_SUCCESS);
  EXPECT_EQ(attributes.size(), 2u);
  ASSERT_EQ(TellAttribute(*kept, CU_LAUNCH_ATTRIBUTE_PRIORITY, &value), CUDA_SUCCESS);
  EXPECT_EQ(value.priority, -3);
  EXPECT_EQ(TellAttribute(*kept, CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT, &value),
            CUDA_ERROR_INVALID_VALUE);
}

TEST(DotPrint, QuotesWhatWouldEndALabel) {
  auto command = std::make_shared<Command>(CU_GRAPH_NODE_TYPE_KERNEL);
  const CUDA_KERNEL_NODE_PARAMS_v1 kernel{};
  command->params = KeepKernel(*KernelNode(&kernel), {}, {}, {});
  Graphs graphs;
  const wire::Handle graph = graphs.Create();
  wire::Handle node = 0;
  ASSERT_EQ(graphs.AddNode(graph, command, {}, &node), CUDA_SUCCESS);
  const std::string text =
      DotText(graphs.Picture(graph), 0, [](CUfunction) { return std::string("a\"b"); });
  EXPECT_NE(text.find("KERNEL\\na\\\"b"), std::string::npos) << text;
}

}  // namespace
}  // namespace farlane::graph
