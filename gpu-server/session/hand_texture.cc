// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects: the client gets the driver's numbers, because its kernels read them.
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/texture_resource.h"

namespace farlane::server {
namespace {

using wire::WireError;

template <typename Record>
bool Read(ConstBytes bytes, Record* record) {
  if (bytes.size() != sizeof *record) {
    return false;
  }
  memcpy(record, bytes.data(), sizeof *record);
  return true;
}

// Kernels that read it may still run, and a driver may wait for them.
template <typename End>
WireError EndObject(ClientSession& session,
                    const wire::MessageView& view,
                    const ContextPtr& context,
                    End end) {
  if (context == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  session.DeferIn(context, view, [&session, view, end] {
    session.Finish(view, end());
    session.outbox().FlushOrWake();
  });
  return WireError::kNone;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::TextureCreate& message) {
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC texture{};
  CUDA_RESOURCE_VIEW_DESC described{};
  if (!Read(message.texture, &texture) ||
      (!message.view.empty() && !Read(message.view, &described))) {
    return WireError::kBadValue;
  }
  if (session.context() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  CUresult result = FillResource(session, message, &resource);
  CUtexObject object = 0;
  if (result == CUDA_SUCCESS) {
    result = session.driver().cuTexObjectCreate(&object, &resource, &texture,
                                                message.view.empty() ? nullptr : &described);
  }
  if (result == CUDA_SUCCESS) {
    session.arrays().AddTexture(object, session.context());
  }
  session.Answer(view, result, wire::TextureCreateReply{.object = object});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::TextureDestroy& message) {
  return EndObject(session, view, session.arrays().TakeTexture(message.object),
                   [&driver = session.driver(), object = message.object] {
                     return driver.cuTexObjectDestroy(object);
                   });
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::SurfaceCreate& message) {
  if (session.context() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  CUresult result = FillArray(session, message.array, false, &resource);
  CUsurfObject object = 0;
  if (result == CUDA_SUCCESS) {
    result = session.driver().cuSurfObjectCreate(&object, &resource);
  }
  if (result == CUDA_SUCCESS) {
    session.arrays().AddSurface(object, session.context());
  }
  session.Answer(view, result, wire::SurfaceCreateReply{.object = object});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::SurfaceDestroy& message) {
  return EndObject(session, view, session.arrays().TakeSurface(message.object),
                   [&driver = session.driver(), object = message.object] {
                     return driver.cuSurfObjectDestroy(object);
                   });
}

}  // namespace farlane::server
