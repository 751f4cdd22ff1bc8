// SPDX-License-Identifier: Apache-2.0
// Access of one device to another's memory. All devices of a program are of one server, so what is
// possible between them is asked of its driver, once.
#include <map>
#include <tuple>
#include <utility>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/device_scope.h"
#include "protocol/base/guarded.h"

namespace farlane::shim {
namespace {

constexpr int32_t kAccess = 0;  // what PeerQuestion takes for "is access possible at all"

using Question = std::tuple<CUdevice, CUdevice, int32_t>;

Guarded<std::map<Question, int>>& Answers() {
  static auto* const answers =
      new Guarded<std::map<Question, int>>();  // never destroyed, as the session is not
  return *answers;
}

CUresult Ask(CUdevice device, CUdevice peer_device, int32_t attribute, int* value) {
  const DeviceScope scope(device);
  const DeviceScope peer(peer_device);
  if (scope.result() != CUDA_SUCCESS || peer.result() != CUDA_SUCCESS) {
    return scope.result() != CUDA_SUCCESS ? scope.result() : peer.result();
  }
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const Question question(device, peer_device, attribute);
  const bool known = Answers().With([&](const std::map<Question, int>& answers) {
    const auto found = answers.find(question);
    *value = found == answers.end() ? *value : found->second;
    return found != answers.end();
  });
  if (known) {
    return CUDA_SUCCESS;
  }
  wire::PeerQuestionReply reply;
  const CUresult result =
      scope.session().Call(0,
                           wire::PeerQuestion{.device = scope.device().server_ordinal,
                                              .peer = peer.device().server_ordinal,
                                              .attribute = attribute},
                           &reply);
  if (result == CUDA_SUCCESS) {
    *value = reply.value;
    Answers().With([&](std::map<Question, int>& answers) { answers[question] = reply.value; });
  }
  return result;
}

bool IsPeer(const CallScope& scope, CUcontext peer_handle) {
  const Context* peer = scope.session().objects().contexts.Find(ToWire(peer_handle));
  return peer != nullptr && peer->alive && ToWire(peer_handle) != scope.context();
}

}  // namespace

CUresult cuDeviceCanAccessPeer(int* canAccessPeer, CUdevice dev, CUdevice peerDev) {
  return Ask(dev, peerDev, kAccess, canAccessPeer);
}

CUresult cuDeviceGetP2PAttribute(int* value,
                                 CUdevice_P2PAttribute attrib,
                                 CUdevice srcDevice,
                                 CUdevice dstDevice) {
  return attrib <= kAccess ? CUDA_ERROR_INVALID_VALUE : Ask(srcDevice, dstDevice, attrib, value);
}

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
