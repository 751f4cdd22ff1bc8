// SPDX-License-Identifier: Apache-2.0
// Graphs: nodes, edges, order, clones.
#include "protocol/graph/graphs.h"

#include <gtest/gtest.h>

namespace farlane::graph {
namespace {

class GraphsTest : public testing::Test {
 protected:
  wire::Handle Add(wire::Handle graph, const std::vector<wire::Handle>& after) {
    Predecessors edges;
    for (const wire::Handle node : after) {
      edges.push_back({.from = node, .data = {}});
    }
    wire::Handle node = 0;
    EXPECT_EQ(
        graphs_.AddNode(graph, std::make_shared<Command>(CU_GRAPH_NODE_TYPE_EMPTY), edges, &node),
        CUDA_SUCCESS);
    return node;
  }

  CUresult Link(wire::Handle from, wire::Handle to) {
    const auto one = wire::FromWire<CUgraphNode>(from);
    const auto other = wire::FromWire<CUgraphNode>(to);
    return graphs_.AddEdges(graph_, {&one, &other, nullptr}, 1);
  }

  Graphs graphs_;
  const wire::Handle graph_ = graphs_.Create();
};

TEST_F(GraphsTest, StepsComeBehindWhatTheyFollowWhateverTheOrderOfMaking) {
  const wire::Handle last = Add(graph_, {});
  const wire::Handle first = Add(graph_, {});
  const wire::Handle middle = Add(graph_, {first});
  EXPECT_EQ(Link(middle, last), CUDA_SUCCESS);
  std::vector<Step> steps;
  ASSERT_EQ(graphs_.Steps(graph_, &steps), CUDA_SUCCESS);
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].node, first);
  EXPECT_EQ(steps[1].node, middle);
  EXPECT_EQ(steps[2].node, last);
  EXPECT_EQ(steps[2].after, std::vector<uint32_t>({1}));
}

TEST_F(GraphsTest, ACircleHasNoSteps) {
  const wire::Handle one = Add(graph_, {});
  const wire::Handle other = Add(graph_, {one});
  EXPECT_EQ(Link(other, one), CUDA_SUCCESS);
  std::vector<Step> steps;
  EXPECT_EQ(graphs_.Steps(graph_, &steps), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(GraphsTest, EdgesJoinNodesOfOneGraphOnce) {
  const wire::Handle one = Add(graph_, {});
  const wire::Handle other = Add(graph_, {});
  const wire::Handle stranger = Add(graphs_.Create(), {});
  EXPECT_EQ(Link(one, other), CUDA_SUCCESS);
  EXPECT_EQ(Link(one, other), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Link(one, one), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Link(one, stranger), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Link(one, 12345), CUDA_ERROR_INVALID_VALUE);
}

TEST_F(GraphsTest, ListsAreFilledUpToTheirEnd) {
  const wire::Handle only = Add(graph_, {});
  CUgraphNode nodes[3] = {wire::FromWire<CUgraphNode>(1), wire::FromWire<CUgraphNode>(1),
                          wire::FromWire<CUgraphNode>(1)};
  size_t count = 3;
  EXPECT_EQ(graphs_.Nodes(graph_, false, nodes, &count), CUDA_SUCCESS);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(wire::ToWire(nodes[0]), only);
  EXPECT_EQ(nodes[1], nullptr);
  EXPECT_EQ(nodes[2], nullptr);
}

TEST_F(GraphsTest, AnEdgeThatIsNoPlainOneIsNotToldAsIfItWere) {
  const wire::Handle one = Add(graph_, {});
  wire::Handle other = 0;
  CUgraphEdgeData programmatic{};
  programmatic.type = 1;
  ASSERT_EQ(graphs_.AddNode(graph_, std::make_shared<Command>(CU_GRAPH_NODE_TYPE_EMPTY),
                            {{.from = one, .data = programmatic}}, &other),
            CUDA_SUCCESS);
  CUgraphNode from = nullptr;
  CUgraphNode to = nullptr;
  CUgraphEdgeData data{};
  size_t count = 1;
  EXPECT_EQ(graphs_.Edges(graph_, {&from, &to, nullptr, &count}), CUDA_ERROR_LOSSY_QUERY);
  EXPECT_EQ(graphs_.Edges(graph_, {&from, &to, &data, &count}), CUDA_SUCCESS);
  EXPECT_EQ(data.type, 1);
}

TEST_F(GraphsTest, ACloneHasNodesOfItsOwnThatCanBeFound) {
  const wire::Handle first = Add(graph_, {});
  const wire::Handle second = Add(graph_, {first});
  wire::Handle clone = 0;
  ASSERT_EQ(graphs_.Clone(graph_, &clone), CUDA_SUCCESS);
  wire::Handle twin = 0;
  ASSERT_EQ(graphs_.FindInClone(second, clone, &twin), CUDA_SUCCESS);
  EXPECT_NE(twin, second);
  ASSERT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  EXPECT_EQ(graphs_.CommandOf(second), nullptr);
  EXPECT_NE(graphs_.CommandOf(twin), nullptr);
  std::vector<Step> steps;
  ASSERT_EQ(graphs_.Steps(clone, &steps), CUDA_SUCCESS);
  EXPECT_EQ(steps[1].after, std::vector<uint32_t>({0}));
}

TEST_F(GraphsTest, ANodeThatGoesTakesItsEdgesWithIt) {
  const wire::Handle first = Add(graph_, {});
  const wire::Handle second = Add(graph_, {first});
  EXPECT_EQ(graphs_.DestroyNode(first), CUDA_SUCCESS);
  EXPECT_EQ(graphs_.DestroyNode(first), CUDA_ERROR_INVALID_VALUE);
  size_t count = 5;
  EXPECT_EQ(graphs_.Dependencies(second, {nullptr, nullptr, nullptr, &count}), CUDA_SUCCESS);
  EXPECT_EQ(count, 0u);
}

TEST_F(GraphsTest, ANodeComesBehindAnotherOnce) {
  const wire::Handle one = Add(graph_, {});
  wire::Handle node = 0;
  EXPECT_EQ(graphs_.AddNode(graph_, std::make_shared<Command>(CU_GRAPH_NODE_TYPE_EMPTY),
                            {{.from = one, .data = {}}, {.from = one, .data = {}}}, &node),
            CUDA_ERROR_INVALID_VALUE);
}

TEST_F(GraphsTest, AChildIsACopyWhoseNodesComeBetweenThoseAroundIt) {
  const wire::Handle inner = graphs_.Create();
  Add(inner, {});
  Add(inner, {});
  const wire::Handle before = Add(graph_, {});
  wire::Handle child = 0;
  ASSERT_EQ(graphs_.AddChild(graph_, std::make_shared<Command>(CU_GRAPH_NODE_TYPE_GRAPH),
                             {{.from = before, .data = {}}}, {.graph = inner}, &child),
            CUDA_SUCCESS);
  const wire::Handle after = Add(graph_, {child});
  wire::Handle copy = 0;
  ASSERT_EQ(graphs_.ChildOf(child, &copy), CUDA_SUCCESS);
  EXPECT_NE(copy, inner);
  EXPECT_EQ(graphs_.Destroy(copy), CUDA_ERROR_INVALID_VALUE);  // the node's, not the program's
  EXPECT_EQ(graphs_.Destroy(inner), CUDA_SUCCESS);
  std::vector<Step> steps;
  ASSERT_EQ(graphs_.Steps(graph_, &steps), CUDA_SUCCESS);
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[1].after, std::vector<uint32_t>({0}));
  EXPECT_EQ(steps[2].after, std::vector<uint32_t>({0}));
  EXPECT_EQ(steps[3].node, child);
  EXPECT_EQ(steps[3].inside, 2u);
  EXPECT_EQ(steps[3].after, std::vector<uint32_t>({1, 2}));
  EXPECT_EQ(steps[4].node, after);
  EXPECT_EQ(steps[4].after, std::vector<uint32_t>({3}));
}

TEST_F(GraphsTest, AChildThatIsMovedIsThatGraphAndNeverAroundItself) {
  const wire::Handle inner = graphs_.Create();
  const auto command = std::make_shared<Command>(CU_GRAPH_NODE_TYPE_GRAPH);
  wire::Handle child = 0;
  ASSERT_EQ(graphs_.AddChild(graph_, command, {}, {.graph = inner, .moved = true}, &child),
            CUDA_SUCCESS);
  wire::Handle inside = 0;
  ASSERT_EQ(graphs_.ChildOf(child, &inside), CUDA_SUCCESS);
  EXPECT_EQ(inside, inner);
  EXPECT_EQ(graphs_.AddChild(inner, command, {}, {.graph = graph_, .moved = true}, &child),
            CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  EXPECT_FALSE(graphs_.Knows(inner));
}

TEST_F(GraphsTest, AGraphWithMemoryIsNeitherCopiedNorTakenApart) {
  wire::Handle node = 0;
  ASSERT_EQ(
      graphs_.AddNode(graph_, std::make_shared<Command>(CU_GRAPH_NODE_TYPE_MEM_ALLOC), {}, &node),
      CUDA_SUCCESS);
  wire::Handle other = 0;
  EXPECT_EQ(graphs_.Clone(graph_, &other), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(graphs_.DestroyNode(node), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT_EQ(graphs_.AddChild(graphs_.Create(), std::make_shared<Command>(CU_GRAPH_NODE_TYPE_GRAPH),
                             {}, {.graph = graph_}, &other),
            CUDA_ERROR_NOT_SUPPORTED);
}

void Count(void* data) {
  ++*static_cast<int*>(data);
}

TEST_F(GraphsTest, AUserObjectEndsWithTheLastGraphThatHoldsIt) {
  UserObjects objects;
  int ended = 0;
  CUuserObject object = nullptr;
  ASSERT_EQ(objects.Create(&Count, &ended, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC, &object),
            CUDA_SUCCESS);
  ASSERT_EQ(graphs_.RetainObject(graph_, objects.Find(object), 1, CU_GRAPH_USER_OBJECT_MOVE),
            CUDA_SUCCESS);
  ObjectHolds held = graphs_.ObjectsOf(graph_);
  wire::Handle clone = 0;
  ASSERT_EQ(graphs_.Clone(graph_, &clone), CUDA_SUCCESS);
  EXPECT_EQ(graphs_.Destroy(graph_), CUDA_SUCCESS);
  held.clear();
  EXPECT_EQ(ended, 0);
  EXPECT_EQ(graphs_.ReleaseObject(clone, objects.Find(object), 2), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(graphs_.Destroy(clone), CUDA_SUCCESS);
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(objects.Retain(object, 1), CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::graph
