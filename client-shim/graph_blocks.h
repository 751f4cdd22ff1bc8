// SPDX-License-Identifier: Apache-2.0
// Memory of graphs: nodes that allocate and free, and stream-ordered calls, which on a stream that
// is recorded become such nodes.
#pragma once

#include "client-shim/graph_nodes.h"
#include "protocol/graph/graph_memory.h"

namespace farlane::shim {

// The command of a node that allocates or frees; an allocation's address is written into its
// description.
CUresult MakeMemoryCommand(const graph::NodePlace& place,
                           CUgraphNodeParams* description,
                           graph::CommandPtr* made);

// Makes a node, and tells the address where it allocates.
CUresult AddAllocNode(const SessionScope& scope,
                      CUgraph graph,
                      const NodeList& after,
                      CUDA_MEM_ALLOC_NODE_PARAMS* params,
                      wire::Handle* node);
CUresult AddAnyNode(const SessionScope& scope,
                    CUgraph graph,
                    const NodeList& after,
                    CUgraphNodeParams* params,
                    wire::Handle* node);
CUresult TellAddress(const SessionScope& scope,
                     CUgraphNode node,
                     CUgraphNodeType type,
                     CUdeviceptr* address);

// From a pool, or with null from the device's current one.
CUresult AllocateOnStream(
    const CallScope& scope, CUmemoryPool pool, CUstream stream, uint64_t bytes, uint64_t* address);
CUresult FreeOnStream(const CallScope& scope, CUdeviceptr address, CUstream stream);

}  // namespace farlane::shim
