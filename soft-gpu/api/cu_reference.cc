// SPDX-License-Identifier: Apache-2.0
// Texture and surface references: how they are found, and what they are bound to.
#include <algorithm>

#include "soft-gpu/api/reference_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

CUresult FindDeclared(CUmodule hmod,
                      const char* name,
                      bool is_surface,
                      std::shared_ptr<Reference>* reference) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (name == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::shared_ptr<Module> module = call.driver->modules().Find(HandleNumber(hmod));
  if (module == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *reference = module->FindReference(name, is_surface);
  return *reference == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}

CUresult BindArray(const ContextCall& call,
                   const CUDA_RESOURCE_DESC& resource,
                   ReferenceState* state) {
  const std::shared_ptr<const Array> array = ArrayOf(call, resource);
  if (array == nullptr ||
      array->is_mipmapped != (resource.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUDA_ARRAY3D_DESCRIPTOR& descriptor = array->shape.descriptor();
  if (state->object.is_surface && (descriptor.Flags & CUDA_ARRAY3D_SURFACE_LDST) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  state->object.resource = resource;
  state->format = descriptor.Format;
  state->channels = descriptor.NumChannels;
  state->is_bound = true;
  return CUDA_SUCCESS;
}

template <typename Array>
CUresult TellArray(Array* array, uint64_t handle, bool is_surface, CUresourcetype type) {
  return Ask(
      handle, is_surface, array != nullptr,
      [&](const ContextCall& call, const ReferenceState& state) {
        const CUDA_RESOURCE_DESC& resource = state.object.resource;
        if (!state.is_bound || resource.resType != type || ArrayOf(call, resource) == nullptr) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *array = AsHandle<Array>(type == CU_RESOURCE_TYPE_ARRAY
                                     ? HandleNumber(resource.res.array.hArray)
                                     : HandleNumber(resource.res.mipmap.hMipmappedArray));
        return CUDA_SUCCESS;
      });
}

uint64_t TextureAlign(const ContextCall& call) {
  int value = 0;
  static_cast<void>(call.driver->FindDevice(call.context->device())
                        ->Attribute(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, &value));
  return value <= 0 ? 1 : static_cast<uint64_t>(value);
}

// Whether all of it is memory that the driver has given out.
bool IsMemory(const ContextCall& call, uint64_t address, uint64_t bytes) {
  while (bytes != 0) {
    const auto range = call.driver->space().table().Find(address);
    if (!range) {
      return false;
    }
    const uint64_t step = std::min(bytes, range->end() - address);
    address += step;
    bytes -= step;
  }
  return true;
}

// From the first texel to the last; 0 for what is no picture.
uint64_t BytesOfPicture(const CUDA_ARRAY_DESCRIPTOR& picture, size_t pitch) {
  uint64_t row = 0;
  uint64_t before_last = 0;
  const bool sane =
      picture.Height != 0 &&
      !__builtin_mul_overflow(picture.Width, abi::BytesOfTexel(picture.Format, picture.NumChannels),
                              &row) &&
      !__builtin_mul_overflow(picture.Height - 1, pitch, &before_last) &&
      !__builtin_add_overflow(before_last, row, &row);
  return sane ? row : 0;
}

}  // namespace

// ---- finding ------------------------------------------------------------------------------------

CUresult cuModuleGetTexRef(CUtexref* pTexRef, CUmodule hmod, const char* name) {
  std::shared_ptr<Reference> reference;
  FARLANE_SOFT_TRY(pTexRef == nullptr ? CUDA_ERROR_INVALID_VALUE
                                      : FindDeclared(hmod, name, false, &reference));
  *pTexRef = AsHandle<CUtexref>(reference->handle());
  return CUDA_SUCCESS;
}

CUresult cuModuleGetSurfRef(CUsurfref* pSurfRef, CUmodule hmod, const char* name) {
  std::shared_ptr<Reference> reference;
  FARLANE_SOFT_TRY(pSurfRef == nullptr ? CUDA_ERROR_INVALID_VALUE
                                       : FindDeclared(hmod, name, true, &reference));
  *pSurfRef = AsHandle<CUsurfref>(reference->handle());
  return CUDA_SUCCESS;
}

CUresult cuTexRefCreate(CUtexref* pTexRef) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (pTexRef == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  HandleTable<Reference>& references = call.driver->references();
  const auto made = std::make_shared<Reference>(references.Mint(), call.context->handle(), false);
  references.Set(made->handle(), made);
  *pTexRef = AsHandle<CUtexref>(made->handle());
  return CUDA_SUCCESS;
}

CUresult cuTexRefDestroy(CUtexref hTexRef) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Reference> reference;
  FARLANE_SOFT_TRY(FindReference(call, HandleNumber(hTexRef), false, &reference));
  if (reference->is_declared()) {
    return CUDA_ERROR_INVALID_VALUE;  // it goes with its module
  }
  static_cast<void>(call.driver->references().Take(HandleNumber(hTexRef)));
  return CUDA_SUCCESS;
}

CUresult cuParamSetTexRef(CUfunction hfunc, int texunit, CUtexref hTexRef) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  std::shared_ptr<Reference> reference;
  FARLANE_SOFT_TRY(FindReference(call, HandleNumber(hTexRef), false, &reference));
  if (texunit != CU_PARAM_TR_DEFAULT || !reference->is_declared()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  FunctionUse use;
  return FindFunction(call, hfunc, &use);
}

// ---- binding ------------------------------------------------------------------------------------

CUresult cuTexRefSetArray(CUtexref hTexRef, CUarray hArray, unsigned int Flags) {
  return Change(HandleNumber(hTexRef), false, [&](const ContextCall& call, ReferenceState* state) {
    CUDA_RESOURCE_DESC resource{};
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    resource.res.array.hArray = hArray;
    return Flags == CU_TRSA_OVERRIDE_FORMAT ? BindArray(call, resource, state)
                                            : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuTexRefSetMipmappedArray(CUtexref hTexRef,
                                   CUmipmappedArray hMipmappedArray,
                                   unsigned int Flags) {
  return Change(HandleNumber(hTexRef), false, [&](const ContextCall& call, ReferenceState* state) {
    CUDA_RESOURCE_DESC resource{};
    resource.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
    resource.res.mipmap.hMipmappedArray = hMipmappedArray;
    return Flags == CU_TRSA_OVERRIDE_FORMAT ? BindArray(call, resource, state)
                                            : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuSurfRefSetArray(CUsurfref hSurfRef, CUarray hArray, unsigned int Flags) {
  return Change(HandleNumber(hSurfRef), true, [&](const ContextCall& call, ReferenceState* state) {
    CUDA_RESOURCE_DESC resource{};
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    resource.res.array.hArray = hArray;
    return Flags == 0 ? BindArray(call, resource, state) : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuTexRefSetAddress_v2(size_t* ByteOffset,
                               CUtexref hTexRef,
                               CUdeviceptr dptr,
                               size_t bytes) {
  uint64_t offset = 0;
  FARLANE_SOFT_TRY(
      Change(HandleNumber(hTexRef), false, [&](const ContextCall& call, ReferenceState* state) {
        offset = dptr % TextureAlign(call);
        state->is_bound = dptr != 0 || bytes != 0;
        if (state->is_bound && (bytes == 0 || (offset != 0 && ByteOffset == nullptr) ||
                                !IsMemory(call, dptr, bytes))) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        state->object.resource = {};
        state->object.resource.resType = CU_RESOURCE_TYPE_LINEAR;
        state->object.resource.res.linear = {dptr - offset, state->format, state->channels,
                                             bytes + offset};
        return CUDA_SUCCESS;
      }));
  if (ByteOffset != nullptr) {
    *ByteOffset = offset;
  }
  return CUDA_SUCCESS;
}

CUresult cuTexRefSetAddress2D_v3(CUtexref hTexRef,
                                 const CUDA_ARRAY_DESCRIPTOR* desc,
                                 CUdeviceptr dptr,
                                 size_t Pitch) {
  return Change(HandleNumber(hTexRef), false, [&](const ContextCall& call, ReferenceState* state) {
    const uint64_t bytes = desc == nullptr ? 0 : BytesOfPicture(*desc, Pitch);
    if (bytes == 0 || !IsMemory(call, dptr, bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    state->format = desc->Format;
    state->channels = desc->NumChannels;
    state->is_bound = true;
    state->object.resource = {};
    state->object.resource.resType = CU_RESOURCE_TYPE_PITCH2D;
    state->object.resource.res.pitch2D = {dptr,        desc->Format, desc->NumChannels,
                                          desc->Width, desc->Height, Pitch};
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefGetArray(CUarray* phArray, CUtexref hTexRef) {
  return TellArray(phArray, HandleNumber(hTexRef), false, CU_RESOURCE_TYPE_ARRAY);
}

CUresult cuTexRefGetMipmappedArray(CUmipmappedArray* phMipmappedArray, CUtexref hTexRef) {
  return TellArray(phMipmappedArray, HandleNumber(hTexRef), false,
                   CU_RESOURCE_TYPE_MIPMAPPED_ARRAY);
}

CUresult cuSurfRefGetArray(CUarray* phArray, CUsurfref hSurfRef) {
  return TellArray(phArray, HandleNumber(hSurfRef), true, CU_RESOURCE_TYPE_ARRAY);
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr* pdptr, CUtexref hTexRef) {
  return Ask(HandleNumber(hTexRef), false, pdptr != nullptr,
             [&](const ContextCall&, const ReferenceState& state) {
               const CUDA_RESOURCE_DESC& resource = state.object.resource;
               if (!state.is_bound || IsOfArray(resource.resType)) {
                 return CUDA_ERROR_INVALID_VALUE;
               }
               *pdptr = resource.resType == CU_RESOURCE_TYPE_LINEAR ? resource.res.linear.devPtr
                                                                    : resource.res.pitch2D.devPtr;
               return CUDA_SUCCESS;
             });
}

}  // namespace farlane::soft
