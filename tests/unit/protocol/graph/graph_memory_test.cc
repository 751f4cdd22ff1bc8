// SPDX-License-Identifier: Apache-2.0
// Memory of graphs: who has it, when it may be had again, when it goes.
#include "protocol/graph/graph_memory.h"

#include <gtest/gtest.h>

namespace farlane::graph {
namespace {

constexpr uint64_t kFirst = 0x10000;

class CountingSource final : public MemorySource {
 public:
  bool HasDevice(int device) const override { return device == 0; }

  CUresult Allocate(int, wire::Handle, uint64_t bytes, uint64_t* address) override {
    *address = next_;
    next_ += bytes;
    ++held_;
    return CUDA_SUCCESS;
  }

  void Free(int, uint64_t) override { --held_; }

  int held() const { return held_; }

 private:
  uint64_t next_ = kFirst;
  int held_ = 0;
};

class GraphMemoryTest : public testing::Test {
 protected:
  wire::Handle Add(wire::Handle graph, CUgraphNodeParams params, Predecessors after) {
    auto command = std::make_shared<Command>(params.type);
    const CUresult made =
        params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC
            ? memory_.Allocate({.graph = graph, .after = after}, 0, &params, &command->block)
            : memory_.Find(graph, params.free.dptr, &command->block);
    wire::Handle node = 0;
    if (made == CUDA_SUCCESS) {
      EXPECT_EQ(graphs_.AddNode(graph, command, std::move(after), &node), CUDA_SUCCESS);
      address_ = command->block->address();
    }
    return node;
  }

  wire::Handle Allocate(wire::Handle graph, Predecessors after, uint64_t bytes = 1024) {
    CUDA_MEM_ALLOC_NODE_PARAMS params{};
    params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    params.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
    params.bytesize = bytes;
    return Add(graph, *AllocNode(&params), std::move(after));
  }

  // 0 where it is refused.
  wire::Handle Free(wire::Handle graph, CUdeviceptr address, Predecessors after) {
    return Add(graph, *FreeNode(address), std::move(after));
  }

  std::vector<Step> StepsOf(wire::Handle graph) {
    std::vector<Step> steps;
    EXPECT_EQ(graphs_.Steps(graph, &steps), CUDA_SUCCESS);
    return steps;
  }

  uint64_t Tell(CUgraphMem_attribute attribute) {
    uint64_t value = 0;
    EXPECT_EQ(memory_.Tell(0, attribute, &value), CUDA_SUCCESS);
    return value;
  }

  CountingSource source_;
  GraphMemory memory_{graphs_, source_};
  Graphs graphs_;
  const wire::Handle graph_ = graphs_.Create();
  CUdeviceptr address_ = 0;  // of the node that was added last
};

TEST_F(GraphMemoryTest, LivesAsLongAsGraphExecOrProgramHasIt) {
  Allocate(graph_, {});
  const CUdeviceptr address = address_;
  std::vector<Step> exec = StepsOf(graph_);
  EXPECT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  EXPECT_EQ(source_.held(), 1);
  EXPECT_EQ(memory_.Launch(exec, false), CUDA_SUCCESS);
  exec.clear();
  EXPECT_EQ(source_.held(), 1);
  CUresult result = CUDA_ERROR_UNKNOWN;
  EXPECT_TRUE(memory_.Free(address, &result));
  EXPECT_EQ(result, CUDA_SUCCESS);
  EXPECT_EQ(source_.held(), 0);
  EXPECT_FALSE(memory_.Free(address, &result));
}

TEST_F(GraphMemoryTest, IsAllocatedAgainOnlyWhenFreed) {
  Allocate(graph_, {});
  const std::vector<Step> exec = StepsOf(graph_);
  EXPECT_EQ(memory_.Launch(exec, false), CUDA_SUCCESS);
  EXPECT_EQ(memory_.Launch(exec, false), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_.Launch(exec, true), CUDA_SUCCESS);
  const wire::Handle other = graphs_.Create();
  Free(other, address_, {});
  EXPECT_EQ(memory_.Launch(StepsOf(other), false), CUDA_SUCCESS);
  EXPECT_EQ(memory_.Launch(StepsOf(other), false), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(memory_.Launch(exec, false), CUDA_SUCCESS);
}

TEST_F(GraphMemoryTest, IsHadAgainByOneNodeBehindTheFreeAndByNoneBesideIt) {
  const wire::Handle alloc = Allocate(graph_, {});
  const CUdeviceptr address = address_;
  const wire::Handle free = Free(graph_, address, {{.from = alloc, .data = {}}});
  Allocate(graph_, {{.from = alloc, .data = {}}});
  EXPECT_NE(address_, address);
  Allocate(graph_, {{.from = free, .data = {}}});
  EXPECT_EQ(address_, address);
  Allocate(graph_, {{.from = free, .data = {}}});
  EXPECT_NE(address_, address);
  EXPECT_EQ(source_.held(), 3);
}

TEST_F(GraphMemoryTest, AGraphFreesWhatItAllocatesOnce) {
  const wire::Handle alloc = Allocate(graph_, {});
  const wire::Handle free = Free(graph_, address_, {{.from = alloc, .data = {}}});
  EXPECT_NE(free, 0u);
  EXPECT_EQ(Free(graph_, address_, {{.from = free, .data = {}}}), 0u);
  EXPECT_EQ(Free(graph_, kFirst + (1 << 20), {}), 0u);
}

TEST_F(GraphMemoryTest, CountsAsUsedFromALaunchUntilItIsTrimmed) {
  const wire::Handle alloc = Allocate(graph_, {}, 1000);
  Free(graph_, address_, {{.from = alloc, .data = {}}});
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT), 1024u);
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 0u);
  EXPECT_EQ(memory_.Launch(StepsOf(graph_), false), CUDA_SUCCESS);
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 1024u);
  EXPECT_EQ(memory_.Trim(0), CUDA_SUCCESS);
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 0u);
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH), 1024u);
  EXPECT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT), 0u);
}

TEST_F(GraphMemoryTest, WhatWentWithItsContextIsNotFreed) {
  Allocate(graph_, {});
  memory_.Forget(address_);
  EXPECT_EQ(Tell(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT), 0u);
  EXPECT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  EXPECT_EQ(source_.held(), 1);
}

}  // namespace
}  // namespace farlane::graph
