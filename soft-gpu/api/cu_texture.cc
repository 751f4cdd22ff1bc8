// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects.
#include "soft-gpu/api/texture_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult Create(const ContextCall& call, TextureObject object, uint64_t* number) {
  object.context = call.context->handle();
  Texture texture;
  FARLANE_SOFT_TRY(DescribeIn(call, object, &texture));
  return call.driver->textures().Add(object, texture, number);
}

CUresult Destroy(uint64_t number, bool is_surface) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto object = call.driver->textures().Find(number, is_surface);
  if (!object) {
    return CUDA_SUCCESS;  // what drivers say to any number
  }
  // Kernels under way may still read it, and its place may be given to another.
  if (const auto owner = call.driver->contexts().Find(object->context)) {
    owner->Synchronize();
  }
  static_cast<void>(call.driver->textures().Remove(number, is_surface));
  return CUDA_SUCCESS;
}

// Finds an object for a question about it.
CUresult Find(uint64_t number, bool is_surface, const void* answer, TextureObject* object) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  const auto found = call.driver->textures().Find(number, is_surface);
  if (answer == nullptr || !found) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *object = *found;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuTexObjectCreate(CUtexObject* pTexObject,
                           const CUDA_RESOURCE_DESC* pResDesc,
                           const CUDA_TEXTURE_DESC* pTexDesc,
                           const CUDA_RESOURCE_VIEW_DESC* pResViewDesc) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pTexObject == nullptr || pResDesc == nullptr || pTexDesc == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  TextureObject object;
  object.resource = *pResDesc;
  object.texture = *pTexDesc;
  object.has_view = pResViewDesc != nullptr;
  if (object.has_view) {
    object.view = *pResViewDesc;
  }
  uint64_t number = 0;
  FARLANE_SOFT_TRY(Create(call, object, &number));
  *pTexObject = number;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject texObject) {
  return Destroy(texObject, false);
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC* pResDesc, CUtexObject texObject) {
  TextureObject object;
  FARLANE_SOFT_TRY(Find(texObject, false, pResDesc, &object));
  *pResDesc = object.resource;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC* pTexDesc, CUtexObject texObject) {
  TextureObject object;
  FARLANE_SOFT_TRY(Find(texObject, false, pTexDesc, &object));
  *pTexDesc = object.texture;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC* pResViewDesc,
                                        CUtexObject texObject) {
  TextureObject object;
  FARLANE_SOFT_TRY(Find(texObject, false, pResViewDesc, &object));
  *pResViewDesc = object.view;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectCreate(CUsurfObject* pSurfObject, const CUDA_RESOURCE_DESC* pResDesc) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pSurfObject == nullptr || pResDesc == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  TextureObject object;
  object.is_surface = true;
  object.resource = *pResDesc;
  uint64_t number = 0;
  FARLANE_SOFT_TRY(Create(call, object, &number));
  *pSurfObject = number;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject) {
  return Destroy(surfObject, true);
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC* pResDesc, CUsurfObject surfObject) {
  TextureObject object;
  FARLANE_SOFT_TRY(Find(surfObject, true, pResDesc, &object));
  *pResDesc = object.resource;
  return CUDA_SUCCESS;
}

}  // namespace farlane::soft
