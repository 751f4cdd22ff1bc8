// SPDX-License-Identifier: Apache-2.0
// Where graphs with conditions are recorded: emptied each time, with the same conditional nodes.
#include "gpu-server/session/graph_home.h"

#include <gtest/gtest.h>

#include "protocol/graph/graphs.h"

namespace farlane::server {
namespace {

using graph::Graphs;
using wire::FromWire;
using wire::ToWire;

// The driver keeps its graphs as this does. One for each test.
Graphs* graphs = nullptr;
uint64_t conditions_made = 0;

graph::Predecessors Behind(const CUgraphNode* nodes, size_t count) {
  graph::Predecessors after;
  for (size_t i = 0; i < count; ++i) {
    after.push_back({.from = ToWire(nodes[i])});
  }
  return after;
}

CUresult AddNode(CUgraphNode* node,
                 CUgraph graph,
                 const CUgraphNode* after,
                 const CUgraphEdgeData*,
                 size_t count,
                 CUgraphNodeParams* params) {
  auto command = std::make_shared<graph::Command>(params->type);
  command->params = graph::Keep(*params);
  uint64_t made = 0;
  const CUresult result = graphs->AddConditional(ToWire(graph), std::move(command),
                                                 Behind(after, count), params->conditional, &made);
  *node = FromWire<CUgraphNode>(made);
  params->conditional.phGraph_out = graphs->BodiesOf(made);
  return result;
}

DriverTable GraphTable() {
  DriverTable table{};
  table.cuGraphCreate = [](CUgraph* graph, unsigned int) {
    *graph = FromWire<CUgraph>(graphs->Create());
    return CUDA_SUCCESS;
  };
  table.cuGraphDestroy = [](CUgraph graph) { return graphs->Destroy(ToWire(graph)); };
  table.cuGraphConditionalHandleCreate = [](CUgraphConditionalHandle* made, CUgraph graph,
                                            CUcontext context, unsigned int value,
                                            unsigned int flags) {
    *made = ++conditions_made;
    return graphs->AddCondition(
        ToWire(graph),
        {.number = *made, .context = ToWire(context), .value = value, .flags = flags});
  };
  table.cuGraphAddNode_v2 = AddNode;
  table.cuGraphGetNodes = [](CUgraph graph, CUgraphNode* nodes, size_t* count) {
    return graphs->Nodes(ToWire(graph), false, nodes, count);
  };
  table.cuGraphGetEdges_v2 = [](CUgraph graph, CUgraphNode* from, CUgraphNode* to,
                                CUgraphEdgeData* data, size_t* count) {
    return graphs->Edges(ToWire(graph), {from, to, data, count});
  };
  table.cuGraphRemoveDependencies_v2 = [](CUgraph graph, const CUgraphNode* from,
                                          const CUgraphNode* to, const CUgraphEdgeData* data,
                                          size_t count) {
    return graphs->RemoveEdges(ToWire(graph), {from, to, data}, count);
  };
  table.cuGraphAddDependencies_v2 = [](CUgraph graph, const CUgraphNode* from,
                                       const CUgraphNode* to, const CUgraphEdgeData* data,
                                       size_t count) {
    return graphs->AddEdges(ToWire(graph), {from, to, data}, count);
  };
  table.cuGraphDestroyNode = [](CUgraphNode node) { return graphs->DestroyNode(ToWire(node)); };
  return table;
}

class GraphHomeTest : public testing::Test {
 protected:
  GraphHomeTest() {
    graphs = &graphs_;
    EXPECT_EQ(home_->Create(), CUDA_SUCCESS);
    EXPECT_EQ(home_->AddCondition(FromWire<CUcontext>(3), 1, 1, &condition_), CUDA_SUCCESS);
  }

  CUgraphNode AddEmpty(CUgraph graph, const std::vector<CUgraphNode>& after) {
    uint64_t node = 0;
    EXPECT_EQ(
        graphs_.AddNode(ToWire(graph), std::make_shared<graph::Command>(CU_GRAPH_NODE_TYPE_EMPTY),
                        Behind(after.data(), after.size()), &node),
        CUDA_SUCCESS);
    return FromWire<CUgraphNode>(node);
  }

  CUresult Place(uint64_t condition, CUgraph graph, const std::vector<CUgraphNode>& after) {
    return home_->Place({.condition = condition, .type = CU_GRAPH_COND_TYPE_WHILE, .bodies = 1},
                        graph, after, &node_, &bodies_);
  }

  size_t CountNodes(CUgraph graph) {
    size_t count = 0;
    EXPECT_EQ(graphs_.Nodes(ToWire(graph), false, nullptr, &count), CUDA_SUCCESS);
    return count;
  }

  Graphs graphs_;
  const DriverTable table_ = GraphTable();
  std::unique_ptr<GraphHome> home_ = std::make_unique<GraphHome>(table_);
  uint64_t condition_ = 0;
  CUgraphNode node_ = nullptr;
  const CUgraph* bodies_ = nullptr;
};

TEST_F(GraphHomeTest, AConditionalNodeStaysAndEverythingElseGoes) {
  ASSERT_EQ(home_->Open(), CUDA_SUCCESS);
  const CUgraphNode first = AddEmpty(home_->graph(), {});
  ASSERT_EQ(Place(condition_, home_->graph(), {first}), CUDA_SUCCESS);
  const CUgraphNode choice = node_;
  AddEmpty(home_->graph(), {choice});
  AddEmpty(bodies_[0], {});
  ASSERT_EQ(home_->DropUnplaced(), CUDA_SUCCESS);
  home_->Close();

  ASSERT_EQ(home_->Open(), CUDA_SUCCESS);
  EXPECT_EQ(CountNodes(home_->graph()), 1u);
  EXPECT_EQ(CountNodes(bodies_[0]), 0u);
  const CUgraphNode other = AddEmpty(home_->graph(), {});
  ASSERT_EQ(Place(condition_, home_->graph(), {other}), CUDA_SUCCESS);
  EXPECT_EQ(node_, choice);
  size_t count = 2;
  CUgraphNode before[2] = {};
  EXPECT_EQ(graphs_.Dependencies(ToWire(choice), {before, nullptr, nullptr, &count}), CUDA_SUCCESS);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(before[0], other);
}

TEST_F(GraphHomeTest, ANodeThatIsNotPlacedAgainGoesWithWhatIsInIt) {
  uint64_t inner = 0;
  ASSERT_EQ(home_->AddCondition(FromWire<CUcontext>(3), 1, 1, &inner), CUDA_SUCCESS);
  ASSERT_EQ(home_->Open(), CUDA_SUCCESS);
  ASSERT_EQ(Place(condition_, home_->graph(), {}), CUDA_SUCCESS);
  ASSERT_EQ(Place(inner, bodies_[0], {}), CUDA_SUCCESS);
  home_->Close();
  ASSERT_EQ(home_->Open(), CUDA_SUCCESS);
  EXPECT_EQ(home_->DropUnplaced(), CUDA_SUCCESS);
  EXPECT_EQ(CountNodes(home_->graph()), 0u);
  home_->Close();
  EXPECT_EQ(home_->Open(), CUDA_SUCCESS);
}

TEST_F(GraphHomeTest, RefusesWhatItDoesNotKnowAndWhatIsPlacedTwice) {
  ASSERT_EQ(home_->Open(), CUDA_SUCCESS);
  EXPECT_EQ(home_->Open(), CUDA_ERROR_ILLEGAL_STATE);
  EXPECT_EQ(Place(condition_ + 1, home_->graph(), {}), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(Place(condition_, home_->graph(), {}), CUDA_SUCCESS);
  EXPECT_EQ(Place(condition_, home_->graph(), {}), CUDA_ERROR_INVALID_VALUE);
  home_->Close();
  ASSERT_EQ(home_->Open(), CUDA_SUCCESS);
  EXPECT_EQ(home_->Place({.condition = condition_, .type = CU_GRAPH_COND_TYPE_IF, .bodies = 2},
                         home_->graph(), {}, &node_, &bodies_),
            CUDA_ERROR_INVALID_VALUE);
}

}  // namespace
}  // namespace farlane::server
