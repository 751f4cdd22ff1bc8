// SPDX-License-Identifier: Apache-2.0
// Arrays and mipmapped arrays.
#include "protocol/base/log.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUDA_ARRAY3D_DESCRIPTOR Flat(const CUDA_ARRAY_DESCRIPTOR& descriptor) {
  CUDA_ARRAY3D_DESCRIPTOR flat{};
  flat.Width = descriptor.Width;
  flat.Height = descriptor.Height;
  flat.Format = descriptor.Format;
  flat.NumChannels = descriptor.NumChannels;
  return flat;
}

CUresult Create(const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
                uint32_t levels,
                bool is_mipmapped,
                uint64_t* handle) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  const abi::ArrayShape shape(descriptor, levels);
  const Device* const device = call.driver->FindDevice(call.context->device());
  const CUresult possible = shape.Check([device](CUdevice_attribute attribute) {
    int value = 0;
    static_cast<void>(device->Attribute(attribute, &value));  // one that is not known limits to 0
    return value;
  });
  if (possible == CUDA_ERROR_NOT_SUPPORTED) {
    return Missing("an array of this format or with these flags");
  }
  FARLANE_SOFT_TRY(possible);
  return call.driver->arrays().Create(shape, is_mipmapped, call.context->handle(),
                                      call.context->device(), handle);
}

// An array or a level, not a mipmapped array as a whole.
CUresult FindArray(const ContextCall& call,
                   uint64_t handle,
                   bool is_mipmapped,
                   std::shared_ptr<const Array>* array) {
  *array = call.driver->arrays().Find(handle);
  return *array != nullptr && (*array)->is_mipmapped == is_mipmapped ? CUDA_SUCCESS
                                                                     : CUDA_ERROR_INVALID_HANDLE;
}

// The answer about what only arrays have that cannot be made here: sparse ones, those whose memory
// comes later, those of several planes.
CUresult NotSuch(uint64_t handle, bool is_mipmapped) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<const Array> array;
  FARLANE_SOFT_TRY(FindArray(call, handle, is_mipmapped, &array));
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult Destroy(uint64_t handle, bool is_mipmapped) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  std::shared_ptr<const Array> array;
  FARLANE_SOFT_TRY(FindArray(call, handle, is_mipmapped, &array));
  if (array->parent != 0) {
    return CUDA_SUCCESS;  // a level goes with its mipmapped array
  }
  // As with memory: work under way may still use it.
  if (const auto owner = call.driver->contexts().Find(array->context)) {
    owner->Synchronize();
  }
  return call.driver->arrays().Destroy(handle);
}

}  // namespace

CUresult cuArrayCreate_v2(CUarray* pHandle, const CUDA_ARRAY_DESCRIPTOR* pAllocateArray) {
  if (pHandle == nullptr || pAllocateArray == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t handle = 0;
  FARLANE_SOFT_TRY(Create(Flat(*pAllocateArray), 1, false, &handle));
  *pHandle = AsHandle<CUarray>(handle);
  return CUDA_SUCCESS;
}

CUresult cuArray3DCreate_v2(CUarray* pHandle, const CUDA_ARRAY3D_DESCRIPTOR* pAllocateArray) {
  if (pHandle == nullptr || pAllocateArray == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t handle = 0;
  FARLANE_SOFT_TRY(Create(*pAllocateArray, 1, false, &handle));
  *pHandle = AsHandle<CUarray>(handle);
  return CUDA_SUCCESS;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR* pArrayDescriptor, CUarray hArray) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pArrayDescriptor == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<const Array> array;
  FARLANE_SOFT_TRY(FindArray(call, HandleNumber(hArray), false, &array));
  const CUDA_ARRAY3D_DESCRIPTOR& descriptor = array->shape.descriptor();
  pArrayDescriptor->Width = descriptor.Width;
  pArrayDescriptor->Height = descriptor.Height;
  pArrayDescriptor->Format = descriptor.Format;
  pArrayDescriptor->NumChannels = descriptor.NumChannels;
  return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR* pArrayDescriptor, CUarray hArray) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pArrayDescriptor == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::shared_ptr<const Array> array;
  FARLANE_SOFT_TRY(FindArray(call, HandleNumber(hArray), false, &array));
  *pArrayDescriptor = array->shape.descriptor();
  return CUDA_SUCCESS;
}

CUresult cuArrayDestroy(CUarray hArray) {
  return Destroy(HandleNumber(hArray), false);
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray* pHandle,
                                const CUDA_ARRAY3D_DESCRIPTOR* pMipmappedArrayDesc,
                                unsigned int numMipmapLevels) {
  if (pHandle == nullptr || pMipmappedArrayDesc == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint64_t handle = 0;
  FARLANE_SOFT_TRY(Create(*pMipmappedArrayDesc, numMipmapLevels, true, &handle));
  *pHandle = AsHandle<CUmipmappedArray>(handle);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayGetLevel(CUarray* pLevelArray,
                                  CUmipmappedArray hMipmappedArray,
                                  unsigned int level) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<const Array> array;
  FARLANE_SOFT_TRY(FindArray(call, HandleNumber(hMipmappedArray), true, &array));
  if (pLevelArray == nullptr || level >= array->levels.size()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pLevelArray = AsHandle<CUarray>(array->levels[level]);
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) {
  return Destroy(HandleNumber(hMipmappedArray), true);
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES*, CUarray array) {
  return NotSuch(HandleNumber(array), false);
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES*,
                                             CUmipmappedArray mipmap) {
  return NotSuch(HandleNumber(mipmap), true);
}

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS*, CUarray array, CUdevice) {
  return NotSuch(HandleNumber(array), false);
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS*,
                                               CUmipmappedArray mipmap,
                                               CUdevice) {
  return NotSuch(HandleNumber(mipmap), true);
}

CUresult cuArrayGetPlane(CUarray*, CUarray hArray, unsigned int) {
  return NotSuch(HandleNumber(hArray), false);
}

}  // namespace farlane::soft
