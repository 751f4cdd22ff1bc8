// SPDX-License-Identifier: Apache-2.0
// A texture's resource in the words of the wire: TextureCreate and ReferenceBind say it alike. An
// array must be the client's, and memory the program's.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// The array that a resource names.
inline CUresult FindArray(const CallScope& scope,
                          const CUDA_RESOURCE_DESC& resource,
                          wire::Handle* array) {
  const bool is_mipmapped = resource.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
  *array = is_mipmapped ? ToWire(resource.res.mipmap.hMipmappedArray)
                        : ToWire(resource.res.array.hArray);
  const ArrayObject* found = scope.session().objects().arrays.Find(*array);
  if (found == nullptr || found->is_mipmapped != is_mipmapped) {
    return *array == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  return CUDA_SUCCESS;
}

template <typename Message>
CUresult FillResource(const CallScope& scope,
                      const CUDA_RESOURCE_DESC& resource,
                      Message* message) {
  message->resource = static_cast<uint32_t>(resource.resType);
  switch (resource.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return FindArray(scope, resource, &message->array);
    case CU_RESOURCE_TYPE_LINEAR:
      message->address = resource.res.linear.devPtr;
      message->format = static_cast<int32_t>(resource.res.linear.format);
      message->channels = resource.res.linear.numChannels;
      message->width = resource.res.linear.sizeInBytes;
      return scope.OwnsRows(message->address, message->width, 1, 0, 1) ? CUDA_SUCCESS
                                                                       : CUDA_ERROR_INVALID_VALUE;
    case CU_RESOURCE_TYPE_PITCH2D: {
      message->address = resource.res.pitch2D.devPtr;
      message->format = static_cast<int32_t>(resource.res.pitch2D.format);
      message->channels = resource.res.pitch2D.numChannels;
      message->width = resource.res.pitch2D.width;
      message->height = resource.res.pitch2D.height;
      message->pitch = resource.res.pitch2D.pitchInBytes;
      return CUDA_SUCCESS;  // whose memory it is, the server looks
    }
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace farlane::shim
