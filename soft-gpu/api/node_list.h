// SPDX-License-Identifier: Apache-2.0
// Nodes as a program passes them to calls about graphs.
#pragma once

#include "protocol/graph/graphs.h"

namespace farlane::soft {

// Thread: caller's.
struct NodeList {
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* data_or_null = nullptr;
  size_t count = 0;

  // False when there should be nodes and are none.
  bool Read(graph::Predecessors* edges) const {
    if (count != 0 && nodes == nullptr) {
      return false;
    }
    for (size_t i = 0; i < count; ++i) {
      edges->push_back({.from = wire::ToWire(nodes[i]),
                        .data = data_or_null == nullptr ? CUgraphEdgeData{} : data_or_null[i]});
    }
    return true;
  }
};

}  // namespace farlane::soft
