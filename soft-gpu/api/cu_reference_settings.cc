// SPDX-License-Identifier: Apache-2.0
// How a texture reference is read.
#include <algorithm>
#include <iterator>

#include "protocol/abi/texture_memory.h"
#include "soft-gpu/api/reference_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

// Changes a setting of a texture reference.
template <typename Edit>
CUresult Set(CUtexref handle, Edit&& edit) {
  return Change(HandleNumber(handle), false, [&edit](const ContextCall&, ReferenceState* state) {
    return edit(&state->object.texture);
  });
}

// Answers about one value of how a texture reference is read.
template <typename Value, typename Kept>
CUresult Tell(CUtexref handle, Value* value, Kept CUDA_TEXTURE_DESC::*field) {
  return Ask(HandleNumber(handle), false, value != nullptr,
             [&](const ContextCall&, const ReferenceState& state) {
               *value = static_cast<Value>(state.object.texture.*field);
               return CUDA_SUCCESS;
             });
}

bool IsFilter(CUfilter_mode mode) {
  return mode == CU_TR_FILTER_MODE_POINT || mode == CU_TR_FILTER_MODE_LINEAR;
}

bool IsDimension(int dimension) {
  return dimension >= 0 && dimension < 3;
}

}  // namespace

CUresult cuTexRefSetFormat(CUtexref hTexRef, CUarray_format fmt, int NumPackedComponents) {
  return Change(HandleNumber(hTexRef), false, [&](const ContextCall&, ReferenceState* state) {
    const auto channels = static_cast<uint32_t>(NumPackedComponents);
    if (NumPackedComponents < 0 || abi::BytesOfTexel(fmt, channels) == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    state->format = fmt;
    state->channels = channels;
    CUDA_RESOURCE_DESC& resource = state->object.resource;
    if (state->is_bound && resource.resType == CU_RESOURCE_TYPE_LINEAR) {
      resource.res.linear.format = fmt;
      resource.res.linear.numChannels = channels;
    }
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefSetAddressMode(CUtexref hTexRef, int dim, CUaddress_mode am) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    if (!IsDimension(dim) || static_cast<uint32_t>(am) > CU_TR_ADDRESS_MODE_BORDER) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    texture->addressMode[dim] = am;
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefSetFilterMode(CUtexref hTexRef, CUfilter_mode fm) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    texture->filterMode = fm;
    return IsFilter(fm) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuTexRefSetMipmapFilterMode(CUtexref hTexRef, CUfilter_mode fm) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    texture->mipmapFilterMode = fm;
    return IsFilter(fm) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuTexRefSetMipmapLevelBias(CUtexref hTexRef, float bias) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    texture->mipmapLevelBias = bias;
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefSetMipmapLevelClamp(CUtexref hTexRef,
                                     float minMipmapLevelClamp,
                                     float maxMipmapLevelClamp) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    texture->minMipmapLevelClamp = minMipmapLevelClamp;
    texture->maxMipmapLevelClamp = maxMipmapLevelClamp;
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefSetMaxAnisotropy(CUtexref hTexRef, unsigned int maxAniso) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    texture->maxAnisotropy = maxAniso;
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefSetBorderColor(CUtexref hTexRef, float* pBorderColor) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    if (pBorderColor == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    std::copy_n(pBorderColor, std::size(texture->borderColor), texture->borderColor);
    return CUDA_SUCCESS;
  });
}

CUresult cuTexRefSetFlags(CUtexref hTexRef, unsigned int Flags) {
  return Set(hTexRef, [&](CUDA_TEXTURE_DESC* texture) {
    texture->flags = Flags;
    return (Flags & ~abi::kTextureFlags) == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  });
}

// ---- questions about settings -------------------------------------------------------------------

CUresult cuTexRefGetFormat(CUarray_format* pFormat, int* pNumChannels, CUtexref hTexRef) {
  return Ask(HandleNumber(hTexRef), false, true,
             [&](const ContextCall&, const ReferenceState& state) {
               if (pFormat != nullptr) {
                 *pFormat = state.format;
               }
               if (pNumChannels != nullptr) {
                 *pNumChannels = static_cast<int>(state.channels);
               }
               return CUDA_SUCCESS;
             });
}

CUresult cuTexRefGetAddressMode(CUaddress_mode* pam, CUtexref hTexRef, int dim) {
  return Ask(HandleNumber(hTexRef), false, pam != nullptr && IsDimension(dim),
             [&](const ContextCall&, const ReferenceState& state) {
               *pam = state.object.texture.addressMode[dim];
               return CUDA_SUCCESS;
             });
}

CUresult cuTexRefGetFilterMode(CUfilter_mode* pfm, CUtexref hTexRef) {
  return Tell(hTexRef, pfm, &CUDA_TEXTURE_DESC::filterMode);
}

CUresult cuTexRefGetMipmapFilterMode(CUfilter_mode* pfm, CUtexref hTexRef) {
  return Tell(hTexRef, pfm, &CUDA_TEXTURE_DESC::mipmapFilterMode);
}

CUresult cuTexRefGetMipmapLevelBias(float* pbias, CUtexref hTexRef) {
  return Tell(hTexRef, pbias, &CUDA_TEXTURE_DESC::mipmapLevelBias);
}

CUresult cuTexRefGetMipmapLevelClamp(float* pminMipmapLevelClamp,
                                     float* pmaxMipmapLevelClamp,
                                     CUtexref hTexRef) {
  FARLANE_SOFT_TRY(pmaxMipmapLevelClamp == nullptr ? CUDA_ERROR_INVALID_VALUE
                                                   : Tell(hTexRef, pminMipmapLevelClamp,
                                                          &CUDA_TEXTURE_DESC::minMipmapLevelClamp));
  return Tell(hTexRef, pmaxMipmapLevelClamp, &CUDA_TEXTURE_DESC::maxMipmapLevelClamp);
}

CUresult cuTexRefGetMaxAnisotropy(int* pmaxAniso, CUtexref hTexRef) {
  return Tell(hTexRef, pmaxAniso, &CUDA_TEXTURE_DESC::maxAnisotropy);
}

CUresult cuTexRefGetBorderColor(float* pBorderColor, CUtexref hTexRef) {
  return Ask(HandleNumber(hTexRef), false, pBorderColor != nullptr,
             [&](const ContextCall&, const ReferenceState& state) {
               const float(&color)[4] = state.object.texture.borderColor;
               std::copy(std::begin(color), std::end(color), pBorderColor);
               return CUDA_SUCCESS;
             });
}

CUresult cuTexRefGetFlags(unsigned int* pFlags, CUtexref hTexRef) {
  return Tell(hTexRef, pFlags, &CUDA_TEXTURE_DESC::flags);
}

}  // namespace farlane::soft
