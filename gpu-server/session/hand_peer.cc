// SPDX-License-Identifier: Apache-2.0
// What devices of the client can do to one another's memory.
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

// One PeerAccess on its way: shared by its steps, of which the driver's runs on a waiter.
struct Opening {
  wire::MessageView view;  // its body is gone
  wire::Handle peer_handle = 0;
  ContextPtr accessor;
  ContextPtr peer;
  bool enable = false;
};

CUresult Record(ClientSession& session, const Opening& opening) {
  DeviceMemory* memory = session.memory(opening.peer->device);
  ContextPtr still;
  if (!session.Find(opening.peer_handle, &still) || still != opening.peer) {
    return CUDA_ERROR_INVALID_CONTEXT;  // ended meanwhile, and with it what the driver has opened
  }
  if (!opening.enable) {
    session.peers().Remove(opening.accessor, opening.peer);
    return memory->SetPeerAccess(opening.accessor->device, false);
  }
  const CUresult result = memory->SetPeerAccess(opening.accessor->device, true);
  if (result == CUDA_SUCCESS) {
    session.peers().Add(opening.accessor, opening.peer);
  }
  return result;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PeerAtomics& message) {
  const DeviceMemory* const source = session.memory(message.source);
  const DeviceMemory* const target = session.memory(message.target);
  if (source == nullptr || target == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
  }
  std::vector<CUatomicOperation> operations(message.operations.size() / sizeof(CUatomicOperation));
  if (operations.empty() || operations.size() * sizeof operations[0] != message.operations.size()) {
    return WireError::kBadValue;
  }
  memcpy(operations.data(), message.operations.data(), message.operations.size());
  std::vector<unsigned int> capabilities(operations.size());
  const CUresult result = session.driver().cuDeviceGetP2PAtomicCapabilities(
      capabilities.data(), operations.data(), static_cast<unsigned int>(operations.size()),
      source->device(), target->device());
  session.Answer(view, result,
                 wire::PeerAtomicsReply{
                     .capabilities = {reinterpret_cast<const std::byte*>(capabilities.data()),
                                      capabilities.size() * sizeof capabilities[0]}});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::PeerAccess& message) {
  const auto opening = std::make_shared<Opening>();
  opening->view = {.op = view.op, .flags = view.flags, .sequence = view.sequence, .body = {}};
  opening->peer_handle = message.peer;
  opening->accessor = session.context();
  opening->enable = message.enable != 0;
  if (opening->accessor == nullptr || !session.Find(message.peer, &opening->peer) ||
      opening->peer == opening->accessor) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  if (session.peers().Has(opening->accessor, opening->peer) == opening->enable) {
    return session.Refuse(view, opening->enable ? CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED
                                                : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
  }
  session.Defer(view, [&session, opening] {
    // For what lies outside of the arenas, such as variables of modules.
    CUresult result = opening->enable
                          ? session.driver().cuCtxEnablePeerAccess(opening->peer->context, 0)
                          : session.driver().cuCtxDisablePeerAccess(opening->peer->context);
    session.Return([&session, opening, result] {
      session.Answer(opening->view, result == CUDA_SUCCESS ? Record(session, *opening) : result);
    });
  });
  return WireError::kNone;
}

}  // namespace farlane::server
