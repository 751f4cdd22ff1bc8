// SPDX-License-Identifier: Apache-2.0
// Access of one device to another's memory.
#include <utility>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {
namespace {

bool IsPeer(const CallScope& scope, CUcontext peer_handle) {
  const Context* peer = scope.session().objects().contexts.Find(ToWire(peer_handle));
  return peer != nullptr && peer->alive && ToWire(peer_handle) != scope.context();
}

}  // namespace

CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (Flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!IsPeer(scope, peerContext)) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  Guarded<PeerPairs>& peers = scope.session().objects().peers;
  const std::pair<wire::Handle, wire::Handle> pair(scope.context(), ToWire(peerContext));
  if (!peers.With([&](PeerPairs& pairs) { return pairs.insert(pair).second; })) {
    return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  }
  const CUresult result = scope.Call(wire::PeerAccess{.peer = pair.second, .enable = 1});
  if (result != CUDA_SUCCESS) {
    peers.With([&](PeerPairs& pairs) { pairs.erase(pair); });
  }
  return result;
}

CUresult cuCtxDisablePeerAccess(CUcontext peerContext) {
  const CallScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (!IsPeer(scope, peerContext)) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const std::pair<wire::Handle, wire::Handle> pair(scope.context(), ToWire(peerContext));
  const size_t erased =
      scope.session().objects().peers.With([&](PeerPairs& pairs) { return pairs.erase(pair); });
  return erased == 0 ? CUDA_ERROR_PEER_ACCESS_NOT_ENABLED
                     : scope.Call(wire::PeerAccess{.peer = pair.second, .enable = 0});
}

}  // namespace farlane::shim
