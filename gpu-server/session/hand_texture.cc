// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects: the client gets the driver's numbers, because its kernels read them.
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "protocol/abi/array_shape.h"

namespace farlane::server {
namespace {

using wire::WireError;

// The array of a resource, or a mipmapped one.
CUresult FillArray(ClientSession& session,
                   wire::Handle handle,
                   bool is_mipmapped,
                   CUDA_RESOURCE_DESC* resource) {
  const BoundArray* found = session.arrays().Find(handle);
  if (found == nullptr || (found->array == nullptr) != is_mipmapped) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (is_mipmapped) {
    resource->res.mipmap.hMipmappedArray = found->memory->mipmapped;
  } else {
    resource->res.array.hArray = found->array;
  }
  return CUDA_SUCCESS;
}

CUresult FillResource(ClientSession& session,
                      const wire::TextureCreate& message,
                      CUDA_RESOURCE_DESC* resource) {
  const auto format = static_cast<CUarray_format>(message.format);
  const uint64_t texel = abi::BytesOfTexel(format, message.channels);
  resource->resType = static_cast<CUresourcetype>(message.resource);
  switch (resource->resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      return FillArray(session, message.array, false, resource);
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return FillArray(session, message.array, true, resource);
    case CU_RESOURCE_TYPE_LINEAR:
      resource->res.linear.devPtr = message.address;
      resource->res.linear.format = format;
      resource->res.linear.numChannels = message.channels;
      resource->res.linear.sizeInBytes = message.width;
      return texel != 0 && session.OwnsRows(message.address, message.width, 0, 1)
                 ? CUDA_SUCCESS
                 : CUDA_ERROR_INVALID_VALUE;
    case CU_RESOURCE_TYPE_PITCH2D: {
      resource->res.pitch2D.devPtr = message.address;
      resource->res.pitch2D.format = format;
      resource->res.pitch2D.numChannels = message.channels;
      resource->res.pitch2D.width = message.width;
      resource->res.pitch2D.height = message.height;
      resource->res.pitch2D.pitchInBytes = message.pitch;
      uint64_t row = 0;
      const bool sane = texel != 0 && !__builtin_mul_overflow(message.width, texel, &row);
      return sane && session.OwnsRows(message.address, row, message.pitch, message.height)
                 ? CUDA_SUCCESS
                 : CUDA_ERROR_INVALID_VALUE;
    }
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

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
