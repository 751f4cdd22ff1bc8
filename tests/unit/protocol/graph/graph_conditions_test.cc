// SPDX-License-Identifier: Apache-2.0
// Conditional nodes: whose conditions they may use, what is in their bodies, and how lists of steps
// with bodies are compared.
#include <gtest/gtest.h>

#include "protocol/graph/dot_print.h"
#include "protocol/graph/step_lists.h"

namespace farlane::graph {
namespace {

using wire::Handle;
using wire::ToWire;

CommandPtr CommandOfKind(CUgraphNodeType type) {
  return std::make_shared<Command>(type);
}

class GraphConditions : public testing::Test {
 protected:
  CUresult AddCondition(Handle graph, uint64_t number) {
    return graphs_.AddCondition(graph, {.number = number, .context = 7, .value = 1, .flags = 1});
  }

  CUresult AddChoice(Handle graph,
                     uint64_t number,
                     CUgraphConditionalNodeType type,
                     unsigned int bodies,
                     Handle* node) {
    CUgraphNodeParams params{};
    params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
    params.conditional.handle = number;
    params.conditional.type = type;
    params.conditional.size = bodies;
    auto command = std::make_shared<Command>(CU_GRAPH_NODE_TYPE_CONDITIONAL);
    command->params = Keep(params);
    return graphs_.AddConditional(graph, std::move(command), {}, params.conditional, node);
  }

  // A graph with a choice, whose body has a node of this kind.
  Handle MakeGraph(uint64_t number, CUgraphNodeType kind) {
    const Handle graph = graphs_.Create();
    EXPECT_EQ(AddCondition(graph, number), CUDA_SUCCESS);
    Handle choice = 0;
    EXPECT_EQ(AddChoice(graph, number, CU_GRAPH_COND_TYPE_WHILE, 1, &choice), CUDA_SUCCESS);
    Handle node = 0;
    EXPECT_EQ(graphs_.AddNode(ToWire(graphs_.BodiesOf(choice)[0]), CommandOfKind(kind), {}, &node),
              CUDA_SUCCESS);
    return graph;
  }

  Graphs graphs_;
  const Handle graph_ = graphs_.Create();
  Handle node_ = 0;
};

TEST_F(GraphConditions, AConditionIsForOneNodeOfItsGraphOrOfABodyInIt) {
  ASSERT_EQ(AddCondition(graph_, 5), CUDA_SUCCESS);
  ASSERT_EQ(AddCondition(graph_, 6), CUDA_SUCCESS);
  EXPECT_EQ(AddCondition(graph_, 5), CUDA_ERROR_INVALID_VALUE);
  const Handle other = graphs_.Create();
  EXPECT_EQ(AddChoice(other, 5, CU_GRAPH_COND_TYPE_IF, 1, &node_), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(graph_, 9, CU_GRAPH_COND_TYPE_IF, 1, &node_), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(AddChoice(graph_, 5, CU_GRAPH_COND_TYPE_IF, 2, &node_), CUDA_SUCCESS);
  Handle nested = 0;
  const Handle body = ToWire(graphs_.BodiesOf(node_)[1]);
  EXPECT_EQ(AddChoice(body, 5, CU_GRAPH_COND_TYPE_IF, 1, &nested), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(body, 6, CU_GRAPH_COND_TYPE_IF, 1, &nested), CUDA_SUCCESS);
  EXPECT_EQ(graphs_.Outermost(ToWire(graphs_.BodiesOf(nested)[0])), graph_);
  // A body ends with its node.
  EXPECT_EQ(graphs_.Destroy(body), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  EXPECT_FALSE(graphs_.Knows(body));
}

TEST_F(GraphConditions, EachKindHasItsNumberOfBodies) {
  for (uint64_t number = 1; number <= 4; ++number) {
    ASSERT_EQ(AddCondition(graph_, number), CUDA_SUCCESS);
  }
  EXPECT_EQ(AddChoice(graph_, 1, CU_GRAPH_COND_TYPE_IF, 0, &node_), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(graph_, 1, CU_GRAPH_COND_TYPE_IF, 3, &node_), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(graph_, 1, CU_GRAPH_COND_TYPE_WHILE, 2, &node_), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(graph_, 1, CU_GRAPH_COND_TYPE_SWITCH, 0, &node_), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(graph_, 1, static_cast<CUgraphConditionalNodeType>(3), 1, &node_),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(AddChoice(graph_, 1, CU_GRAPH_COND_TYPE_IF, 1, &node_), CUDA_SUCCESS);
  EXPECT_EQ(AddChoice(graph_, 2, CU_GRAPH_COND_TYPE_IF, 2, &node_), CUDA_SUCCESS);
  EXPECT_EQ(AddChoice(graph_, 3, CU_GRAPH_COND_TYPE_WHILE, 1, &node_), CUDA_SUCCESS);
  EXPECT_EQ(AddChoice(graph_, 4, CU_GRAPH_COND_TYPE_SWITCH, 5, &node_), CUDA_SUCCESS);
}

TEST_F(GraphConditions, AConditionWithoutANodeKeepsAGraphFromBeingMadeReady) {
  ASSERT_EQ(AddCondition(graph_, 5), CUDA_SUCCESS);
  Steps steps;
  EXPECT_TRUE(graphs_.HasIdleConditions(graph_));
  EXPECT_EQ(graphs_.Steps(graph_, &steps), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(AddChoice(graph_, 5, CU_GRAPH_COND_TYPE_IF, 1, &node_), CUDA_SUCCESS);
  EXPECT_FALSE(graphs_.HasIdleConditions(graph_));
  ASSERT_EQ(graphs_.Steps(graph_, &steps), CUDA_SUCCESS);
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].condition.number, 5u);
  EXPECT_EQ(steps[0].bodies.size(), 1u);
  // The condition goes with its node.
  ASSERT_EQ(graphs_.DestroyNode(node_), CUDA_SUCCESS);
  EXPECT_EQ(AddChoice(graph_, 5, CU_GRAPH_COND_TYPE_IF, 1, &node_), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(GraphConditions, ThereIsOneOfAGraphWithConditions) {
  const Handle graph = MakeGraph(5, CU_GRAPH_NODE_TYPE_KERNEL);
  Handle made = 0;
  EXPECT_EQ(graphs_.Clone(graph, &made), CUDA_ERROR_NOT_SUPPORTED);
  for (const bool moved : {false, true}) {
    EXPECT_EQ(graphs_.AddChild(graph_, CommandOfKind(CU_GRAPH_NODE_TYPE_GRAPH), {},
                               {.graph = graph, .moved = moved}, &made),
              CUDA_ERROR_NOT_SUPPORTED);
  }
}

TEST_F(GraphConditions, BodiesHaveOnlyWhatTheDeviceDoesAlone) {
  Steps steps;
  EXPECT_EQ(graphs_.Steps(MakeGraph(5, CU_GRAPH_NODE_TYPE_MEMSET), &steps), CUDA_SUCCESS);
  for (const CUgraphNodeType kind :
       {CU_GRAPH_NODE_TYPE_HOST, CU_GRAPH_NODE_TYPE_EVENT_RECORD, CU_GRAPH_NODE_TYPE_MEM_ALLOC}) {
    steps.clear();
    EXPECT_EQ(graphs_.Steps(MakeGraph(10 + kind, kind), &steps), CUDA_ERROR_NOT_SUPPORTED);
  }
}

TEST_F(GraphConditions, ListsAreComparedWithTheirBodiesAndTakenOverWithTheirConditions) {
  Steps ours;
  Steps alike;
  Steps other;
  ASSERT_EQ(graphs_.Steps(MakeGraph(5, CU_GRAPH_NODE_TYPE_KERNEL), &ours), CUDA_SUCCESS);
  ASSERT_EQ(graphs_.Steps(MakeGraph(6, CU_GRAPH_NODE_TYPE_KERNEL), &alike), CUDA_SUCCESS);
  ASSERT_EQ(graphs_.Steps(MakeGraph(7, CU_GRAPH_NODE_TYPE_MEMSET), &other), CUDA_SUCCESS);
  size_t place = 0;
  EXPECT_EQ(CompareSteps(ours, 0, other, &place), CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED);
  ASSERT_EQ(CompareSteps(ours, 0, alike, &place), CU_GRAPH_EXEC_UPDATE_SUCCESS);
  const Handle inner = ours[0].bodies[0][0].node;
  TakeOverSteps(alike, 0, &ours);
  EXPECT_EQ(ours[0].condition.number, 6u);
  EXPECT_EQ(ours[0].bodies[0][0].command, alike[0].bodies[0][0].command);
  const StepPlace found = FindStep(ours, inner);
  ASSERT_NE(found.list, nullptr);
  EXPECT_EQ(&found.step(), &ours[0].bodies[0][0]);
  EXPECT_EQ(FindStep(ours, 12345).list, nullptr);
}

TEST_F(GraphConditions, ThePictureShowsBodies) {
  const Handle graph = MakeGraph(5, CU_GRAPH_NODE_TYPE_MEMSET);
  const std::string text =
      DotText(graphs_.Picture(graph), CU_GRAPH_DEBUG_DOT_FLAGS_CONDITIONAL_NODE_PARAMS,
              [](CUfunction) { return std::string(); });
  EXPECT_NE(text.find("CONDITIONAL\\nwhile 0x5 bodies 1\\ngraph_1"), std::string::npos) << text;
  EXPECT_NE(text.find("cluster_1"), std::string::npos);
}

}  // namespace
}  // namespace farlane::graph
