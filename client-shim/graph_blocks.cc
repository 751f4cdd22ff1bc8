// SPDX-License-Identifier: Apache-2.0
#include "client-shim/graph_blocks.h"

#include "client-shim/bodies.h"
#include "client-shim/graph_messages.h"

namespace farlane::shim {
namespace {

CUresult MakeCommand(const CallScope& scope,
                     const graph::NodePlace& place,
                     CUgraphNodeParams* description,
                     graph::CommandPtr* made) {
  graph::GraphMemory& memory = scope.session().graph_memory();
  auto command = std::make_shared<MessageCommand>(description->type);
  const CUresult result =
      description->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC
          ? memory.Allocate(place, scope.context(), description, &command->block)
          : memory.Find(place.graph, description->free.dptr, &command->block);
  if (result == CUDA_ERROR_NOT_SUPPORTED) {
    return Missing("memory of graphs for other devices or processes");
  }
  if (result != CUDA_SUCCESS) {
    return result;
  }
  command->params = graph::Keep(*description);
  *made = std::move(command);
  return CUDA_SUCCESS;
}

// Records an allocation or a free on a stream that is captured.
CUresult Record(const CallScope& scope, CUstream stream, CUgraphNodeParams* description) {
  graph::Captures& captures = scope.session().captures();
  graph::NodePlace place;
  if (!captures.PlaceOf(ToWire(stream), &place.graph, &place.after)) {
    return CUDA_ERROR_ILLEGAL_STATE;  // another thread has ended the capture meanwhile
  }
  graph::CommandPtr command;
  const CUresult result = MakeCommand(scope, place, description, &command);
  return result == CUDA_SUCCESS ? captures.Append(ToWire(stream), std::move(command)) : result;
}

graph::Standing StandingOf(const CallScope& scope, CUstream stream, CUresult* result) {
  Session& session = scope.session();
  return session.captures().busy() ? session.captures().StandingOf(
                                         session.TraitsOf(scope.context(), ToWire(stream)), result)
                                   : graph::Standing::kFree;
}

}  // namespace

CUresult MakeMemoryCommand(const graph::NodePlace& place,
                           CUgraphNodeParams* description,
                           graph::CommandPtr* made) {
  const CallScope scope;
  return scope.result() == CUDA_SUCCESS ? MakeCommand(scope, place, description, made)
                                        : scope.result();
}

CUresult AddAllocNode(const SessionScope& scope,
                      CUgraph graph,
                      const NodeList& after,
                      CUDA_MEM_ALLOC_NODE_PARAMS* params,
                      wire::Handle* node) {
  const CUresult result = AddNode(scope, graph, after, graph::AllocNode(params), node);
  return result == CUDA_SUCCESS ? TellAddress(scope, FromWire<CUgraphNode>(*node),
                                              CU_GRAPH_NODE_TYPE_MEM_ALLOC, &params->dptr)
                                : result;
}

CUresult AddAnyNode(const SessionScope& scope,
                    CUgraph graph,
                    const NodeList& after,
                    CUgraphNodeParams* params,
                    wire::Handle* node) {
  const CUresult result = AddNode(scope, graph, after, graph::AnyNode(params), node);
  if (result == CUDA_SUCCESS && params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    params->conditional.phGraph_out = scope.session().graphs().BodiesOf(*node);
  }
  return result == CUDA_SUCCESS && params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC
             ? TellAddress(scope, FromWire<CUgraphNode>(*node), CU_GRAPH_NODE_TYPE_MEM_ALLOC,
                           &params->alloc.dptr)
             : result;
}

CUresult TellAddress(const SessionScope& scope,
                     CUgraphNode node,
                     CUgraphNodeType type,
                     CUdeviceptr* address) {
  return TellNode(scope, node, [type, address](const graph::NodeParams& params) {
    return graph::GiveAddress(params, type, address);
  });
}

CUresult AllocateOnStream(
    const CallScope& scope, CUmemoryPool pool, CUstream stream, uint64_t bytes, uint64_t* address) {
  Session& session = scope.session();
  CUresult result = CUDA_SUCCESS;
  const graph::Standing standing = StandingOf(scope, stream, &result);
  if (standing == graph::Standing::kFree) {
    result = scope.CheckSafe();
    return result == CUDA_SUCCESS ? session.pools().Allocate(pool, scope.device(), scope.context(),
                                                             stream, bytes, address)
                                  : result;
  }
  int32_t device = scope.device();
  if (result == CUDA_SUCCESS && pool != nullptr) {
    result = session.pools().DeviceOf(pool, &device);
  }
  if (result != CUDA_SUCCESS) {
    return result;
  }
  CUgraphNodeParams description{};
  description.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
  description.alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  description.alloc.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, device};
  description.alloc.bytesize = bytes;
  result = Record(scope, stream, &description);
  *address = description.alloc.dptr;
  return result;
}

CUresult FreeOnStream(const CallScope& scope, CUdeviceptr address, CUstream stream) {
  Session& session = scope.session();
  CUresult result = CUDA_SUCCESS;
  const graph::Standing standing = StandingOf(scope, stream, &result);
  if (standing == graph::Standing::kRefused) {
    return result;
  }
  if (standing == graph::Standing::kCaptured) {
    CUgraphNodeParams description = *graph::FreeNode(address);
    return Record(scope, stream, &description);
  }
  if (const std::optional<CUresult> freed = session.shares().FreeImported(address)) {
    return *freed;
  }
  return session.graph_memory().any() && session.graph_memory().Free(address, &result)
             ? result
             : session.pools().Free(address, stream);
}

}  // namespace farlane::shim
