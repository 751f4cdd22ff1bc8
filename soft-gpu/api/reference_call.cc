// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/reference_call.h"

#include "soft-gpu/api/texture_call.h"

namespace farlane::soft {

CUresult FindReference(const PlainCall& call,
                       uint64_t handle,
                       bool is_surface,
                       std::shared_ptr<Reference>* reference) {
  *reference = call.driver->references().Find(handle);
  return *reference != nullptr && (*reference)->is_surface() == is_surface
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

std::shared_ptr<const Array> ArrayOf(const PlainCall& call, const CUDA_RESOURCE_DESC& resource) {
  switch (resource.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      return call.driver->arrays().Find(HandleNumber(resource.res.array.hArray));
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return call.driver->arrays().Find(HandleNumber(resource.res.mipmap.hMipmappedArray));
    default:
      return nullptr;
  }
}

CUresult Show(const ContextCall& call, Reference& reference, const ReferenceState& state) {
  TexturePlacePtr place;
  if (state.is_bound) {
    Texture texture;
    FARLANE_SOFT_TRY(DescribeIn(call, state.object, &texture));
    place = std::make_shared<const TexturePlace>(texture);
    if (place->number() == 0) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  if (const std::shared_ptr<Module> module = reference.module()) {
    module->bindings().Put(reference.variable(), std::move(place));
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
