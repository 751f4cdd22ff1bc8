// SPDX-License-Identifier: Apache-2.0
// Conditional nodes as kernels set them: an endless loop goes with its context, and a number that
// is no condition of the graph is a fault.
#include <gtest/gtest.h>

#include "tests/unit/soft-gpu/api/soft_program.h"

namespace farlane::soft {
namespace {

constexpr char kPtx[] = R"(
.version 8.3
.target sm_80
.address_size 64

.extern .func cudaGraphSetConditional(.param .b64 handle, .param .b32 value);

.visible .entry choose(.param .u64 condition, .param .u32 value)
{
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  ld.param.u64 %rd1, [condition];
  ld.param.u32 %r1, [value];
  {
  .param .b64 a;
  .param .b32 b;
  st.param.b64 [a], %rd1;
  st.param.b32 [b], %r1;
  call.uni cudaGraphSetConditional, (a, b);
  }
  ret;
}
)";

class GraphCondition : public SoftProgram {
 protected:
  // In the context that is current.
  struct Loop {
    CUgraph graph = nullptr;
    CUgraphConditionalHandle condition = 0;
    CUgraph body = nullptr;
    CUgraphExec exec = nullptr;
  };

  static Loop MakeLoop() {
    Loop loop;
    EXPECT_EQ(cuGraphCreate(&loop.graph, 0), CUDA_SUCCESS);
    EXPECT_EQ(cuGraphConditionalHandleCreate(&loop.condition, loop.graph, nullptr, 1,
                                             CU_GRAPH_COND_ASSIGN_DEFAULT),
              CUDA_SUCCESS);
    CUgraphNodeParams params{};
    params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    params.conditional.handle = loop.condition;
    params.conditional.type = CU_GRAPH_COND_TYPE_WHILE;
    params.conditional.size = 1;
    CUgraphNode node = nullptr;
    EXPECT_EQ(cuGraphAddNode(&node, loop.graph, nullptr, 0, &params), CUDA_SUCCESS);
    loop.body = params.conditional.phGraph_out[0];
    return loop;
  }

  static void AddChoose(CUgraph graph, uint64_t condition, uint32_t value) {
    CUmodule module = nullptr;
    CUfunction function = nullptr;
    ASSERT_EQ(cuModuleLoadData(&module, kPtx), CUDA_SUCCESS);
    ASSERT_EQ(cuModuleGetFunction(&function, module, "choose"), CUDA_SUCCESS);
    void* arguments[] = {&condition, &value};
    CUDA_KERNEL_NODE_PARAMS_v2 params{};
    params.func = function;
    params.gridDimX = params.gridDimY = params.gridDimZ = 1;
    params.blockDimX = params.blockDimY = params.blockDimZ = 1;
    params.kernelParams = arguments;
    CUgraphNode node = nullptr;
    ASSERT_EQ(cuGraphAddKernelNode_v2(&node, graph, nullptr, 0, &params), CUDA_SUCCESS);
  }

  static void Launch(Loop* loop) {
    ASSERT_EQ(cuGraphInstantiateWithFlags(&loop->exec, loop->graph, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuGraphLaunch(loop->exec, nullptr), CUDA_SUCCESS);
  }

  static void End(const Loop& loop) {
    EXPECT_EQ(cuGraphExecDestroy(loop.exec), CUDA_SUCCESS);
    EXPECT_EQ(cuGraphDestroy(loop.graph), CUDA_SUCCESS);
  }
};

TEST_F(GraphCondition, ALoopEndsWhenItsConditionIsZero) {
  Loop loop = MakeLoop();
  AddChoose(loop.body, loop.condition, 0);
  Launch(&loop);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  End(loop);
}

TEST_F(GraphCondition, AnEndlessLoopGoesWithItsContext) {
  CUcontext doomed = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&doomed, 0, 0), CUDA_SUCCESS);
  Loop loop = MakeLoop();
  AddChoose(loop.body, loop.condition, 1);
  Launch(&loop);
  EXPECT_EQ(cuStreamQuery(nullptr), CUDA_ERROR_NOT_READY);

  EXPECT_EQ(cuCtxDestroy_v2(doomed), CUDA_SUCCESS);

  End(loop);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
}

TEST_F(GraphCondition, AKernelSetsNoConditionOfAnotherGraph) {
  CUcontext doomed = nullptr;
  ASSERT_EQ(cuCtxCreate_v2(&doomed, 0, 0), CUDA_SUCCESS);
  Loop other = MakeLoop();
  Loop loop = MakeLoop();
  AddChoose(loop.body, other.condition, 0);
  Launch(&loop);
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(cuCtxDestroy_v2(doomed), CUDA_SUCCESS);
  End(loop);
  EXPECT_EQ(cuGraphDestroy(other.graph), CUDA_SUCCESS);
}

}  // namespace
}  // namespace farlane::soft
