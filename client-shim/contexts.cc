// SPDX-License-Identifier: Apache-2.0
#include "client-shim/contexts.h"

#include <map>
#include <mutex>
#include <vector>

#include "client-shim/arrays.h"
#include "client-shim/current_context.h"
#include "client-shim/modules.h"
#include "client-shim/references.h"
#include "client-shim/textures.h"
#include "protocol/abi/context_storage.h"

namespace farlane::shim {
namespace {

// Retains and releases of one process come one after the other, so that a context is never made
// twice. The holder may take the lock again: what closed libraries stored with a context is
// destroyed while it is held, and their destructors may call back in.
// Not Guarded: the holder waits for the server and calls back in.
struct PrimaryUsers {
  std::recursive_mutex mutex;
  std::map<int32_t, uint32_t> count;
  int32_t ending = -1;  // the device whose context is going right now
};

PrimaryUsers& Users() {
  static auto* const users = new PrimaryUsers();  // never destroyed: exit handlers release contexts
  return *users;
}

// What the client kept of a context that is gone on the server.
void Forget(Session& session, wire::Handle context) {
  Objects& objects = session.objects();
  objects.streams.RetireIf([context](const Stream& stream) { return stream.context == context; });
  objects.events.RetireIf([context](const Event& event) { return event.context == context; });
  ForgetArrays(session, context);
  ForgetTextures(session, context);
  ForgetReferencesIn(session, context);
  session.ForgetContext();
  objects.peers.With([context](PeerPairs& pairs) {
    std::erase_if(pairs, [context](const auto& pair) {
      return pair.first == context || pair.second == context;
    });
  });
  const int32_t device = objects.contexts.Find(context)->device;
  ForgetGlobals(session, context, device);
  objects.modules.ForEach([&](wire::Handle, Module& module) {
    if (module.context == context) {
      module.loaded->Forget();
    }
  });
  objects.modules.RetireIf([context](const Module& module) { return module.context == context; });
  for (const uint64_t address : session.memory(device).FreeAllOf(context)) {
    session.mirrored().Remove(address);
    session.host_memory().ForgetMapped(address);
    session.pools().Forget(address);
    session.graph_memory().Forget(address);
  }
  session.ForgetError();
}

// What the client keeps of a green context that is gone on the server.
void HandOver(Session& session, wire::Handle green, wire::Handle home, int32_t device) {
  Objects& objects = session.objects();
  const auto give = [green, home](wire::Handle* owner) {
    *owner = *owner == green ? home : *owner;
  };
  objects.streams.RetireIf([green](const Stream& stream) { return stream.context == green; });
  objects.events.ForEach([&give](wire::Handle, Event& event) { give(&event.context); });
  objects.arrays.ForEach([&give](wire::Handle, ArrayObject& array) { give(&array.context); });
  objects.references.ForEach(
      [&give](wire::Handle, ReferenceObject& reference) { give(&reference.context); });
  objects.graph_execs.ForEach([&give](wire::Handle, GraphExec& exec) { give(&exec.context); });
  objects.modules.ForEach([&](wire::Handle, Module& module) {
    give(&module.context);
    module.loaded->HandOverGlobals(green, home);
  });
  for (auto* objects_of_kind : {&objects.textures, &objects.surfaces}) {
    objects_of_kind->With([&give](TextureObjects& all) {
      for (auto& [number, object] : all) {
        give(&object.context);
      }
    });
  }
  session.memory(device).HandOver(green, home);
  session.ForgetContext();
}

CUresult EndPrimary(Session& session, int32_t device) {
  const wire::Handle handle = session.primary_context(device);
  Context* context = session.objects().contexts.Find(handle);
  if (!context->alive) {
    return CUDA_SUCCESS;
  }
  std::vector<wire::Handle> greens;
  session.objects().contexts.ForEach([&](wire::Handle green, const Context& one) {
    if (one.home == handle) {
      greens.push_back(green);
    }
  });
  for (const wire::Handle green : greens) {
    static_cast<void>(EndGreen(session, green));  // the primary one's end says how that went
  }
  context->alive = false;
  Users().ending = device;
  abi::DestroyContextStorage(FromWire<CUcontext>(handle));
  Users().ending = -1;
  const CUresult result = session.Call(
      0, wire::PrimaryRelease{.context = handle, .device = session.device(device).server_ordinal});
  Forget(session, handle);
  return result;
}

bool IsPeer(Session& session, wire::Handle context, wire::Handle peer) {
  const Context* found = session.objects().contexts.Find(peer);
  return found != nullptr && found->alive && peer != context;
}

}  // namespace

CUresult RetainPrimary(Session& session, int32_t device, wire::Handle* context_handle) {
  std::lock_guard<std::recursive_mutex> lock(Users().mutex);
  if (Users().ending == device) {
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  const wire::Handle handle = session.primary_context(device);
  Context* context = session.objects().contexts.Find(handle);
  if (!context->alive) {
    const CUresult result =
        session.Call(0, wire::PrimaryRetain{.context = handle,
                                            .device = session.device(device).server_ordinal,
                                            .flags = context->flags});
    if (result != CUDA_SUCCESS) {
      return result;
    }
    context->alive = true;
  }
  ++Users().count[device];
  *context_handle = handle;
  return CUDA_SUCCESS;
}

CUresult ReleasePrimary(Session& session, int32_t device) {
  std::lock_guard<std::recursive_mutex> lock(Users().mutex);
  uint32_t& count = Users().count[device];
  if (count == 0) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  return --count == 0 ? EndPrimary(session, device) : CUDA_SUCCESS;
}

CUresult ResetPrimary(Session& session, int32_t device) {
  std::lock_guard<std::recursive_mutex> lock(Users().mutex);
  Users().count[device] = 0;
  return EndPrimary(session, device);
}

CUresult DestroyContext(Session& session, wire::Handle handle) {
  Context* context = session.objects().contexts.Find(handle);
  if (context == nullptr || context->primary || context->home != 0) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  context->alive = false;
  abi::DestroyContextStorage(FromWire<CUcontext>(handle));
  const CUresult result = session.Call(0, wire::ContextDestroy{.context = handle});
  Forget(session, handle);
  session.objects().contexts.Retire(handle);
  ThreadState::Mine().Drop(handle);
  return result;
}

CUresult EndGreen(Session& session, wire::Handle handle) {
  Context* context = session.objects().contexts.Find(handle);
  context->alive = false;
  abi::DestroyContextStorage(FromWire<CUcontext>(handle));
  const CUresult result = session.Call(0, wire::ContextDestroy{.context = handle});
  HandOver(session, handle, context->home, context->device);
  session.objects().contexts.Retire(handle);
  ThreadState::Mine().Drop(handle);
  return result;
}

CUresult OpenPeer(Session& session, wire::Handle context, wire::Handle peer, unsigned int flags) {
  if (flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (!IsPeer(session, context, peer)) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  Guarded<PeerPairs>& peers = session.objects().peers;
  const std::pair<wire::Handle, wire::Handle> pair(context, peer);
  if (!peers.With([&](PeerPairs& pairs) { return pairs.insert(pair).second; })) {
    return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
  }
  const CUresult result = session.Call(context, wire::PeerAccess{.peer = peer, .enable = 1});
  if (result != CUDA_SUCCESS) {
    peers.With([&](PeerPairs& pairs) { pairs.erase(pair); });
  }
  return result;
}

CUresult ClosePeer(Session& session, wire::Handle context, wire::Handle peer) {
  if (!IsPeer(session, context, peer)) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  const std::pair<wire::Handle, wire::Handle> pair(context, peer);
  const size_t erased =
      session.objects().peers.With([&](PeerPairs& pairs) { return pairs.erase(pair); });
  return erased == 0 ? CUDA_ERROR_PEER_ACCESS_NOT_ENABLED
                     : session.Call(context, wire::PeerAccess{.peer = peer, .enable = 0});
}

}  // namespace farlane::shim
