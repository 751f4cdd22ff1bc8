// SPDX-License-Identifier: Apache-2.0
// What TextureCreate and ReferenceBind say of a texture's resource becomes the driver's own words
// for it, once it is proved to be the client's.
#pragma once

#include "gpu-server/session/client_session.h"
#include "protocol/abi/array_shape.h"

namespace farlane::server {

// The array of a resource, or a mipmapped one.
inline CUresult FillArray(ClientSession& session,
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

template <typename Message>
CUresult FillResource(ClientSession& session,
                      const Message& message,
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

}  // namespace farlane::server
