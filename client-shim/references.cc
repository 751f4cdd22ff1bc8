// SPDX-License-Identifier: Apache-2.0
#include "client-shim/references.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "client-shim/texture_resource.h"
#include "protocol/abi/texture_memory.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// 0 if the program has not asked for it yet.
wire::Handle FindKnown(Session& session, wire::Handle module, const ReferenceName& what) {
  wire::Handle known = 0;
  session.objects().references.ForEach([&](wire::Handle handle, const ReferenceObject& reference) {
    if (reference.module == module && reference.is_surface == what.is_surface &&
        reference.name == what.name) {
      known = handle;
    }
  });
  return known;
}

// A reference lives as long as the context of its module, whichever is current.
wire::Handle HomeOf(const CallScope& scope, wire::Handle module) {
  const Module* found = scope.session().objects().modules.Find(module);
  return found == nullptr ? scope.context() : found->context;
}

// Asks the server for a reference, which gets a handle if there is one.
CUresult Ask(const CallScope& scope,
             wire::Handle module,
             const ReferenceName& what,
             wire::Handle* handle) {
  auto& references = scope.session().objects().references;
  const wire::Handle minted = references.Mint({.context = HomeOf(scope, module),
                                               .module = module,
                                               .name = what.name,
                                               .is_surface = what.is_surface});
  if (minted == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const wire::ReferenceFind message{
      .module = module, .reference = minted, .surface = what.is_surface, .name = what.name};
  channel::Answer answer;
  CUresult result = scope.session().Call(scope.context(), message, &answer);
  wire::ReferenceFindReply reply;
  ReferenceObject& made = *references.Find(minted);
  if (result == CUDA_SUCCESS && (Decode(answer.body, &reply) != wire::WireError::kNone ||
                                 reply.texture.size() != sizeof made.sampling)) {
    LogError("the GPU server describes a texture reference that is none");
    result = CUDA_ERROR_UNKNOWN;
  }
  if (result != CUDA_SUCCESS) {
    references.Retire(minted);
    return result;
  }
  made.format = static_cast<CUarray_format>(reply.format);
  made.channels = reply.channels;
  memcpy(&made.sampling, reply.texture.data(), sizeof made.sampling);
  *handle = minted;
  return CUDA_SUCCESS;
}

// Of what the manual says a reference is refused with there is but one code.
CUresult AsManualSays(CUresult result) {
  return result == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : result;
}

// Binds to a resource that may be used so; `message` says to the server what it is.
template <typename Scope>
CUresult Bind(const Scope& scope, const CUDA_RESOURCE_DESC& resource, wire::ReferenceBind message) {
  ReferenceObject& object = scope.object();
  object.is_bound = true;
  object.resource = resource;
  message.reference = scope.handle();
  return scope.Post(message);
}

template <typename Scope>
CUresult BindArray(const Scope& scope, const CUDA_RESOURCE_DESC& resource) {
  wire::ReferenceBind message;
  const CUresult possible = FillResource(scope, resource, &message);
  if (possible != CUDA_SUCCESS) {
    return AsManualSays(possible);
  }
  const CUDA_ARRAY3D_DESCRIPTOR& descriptor =
      scope.session().objects().arrays.Find(message.array)->shape.descriptor();
  ReferenceObject& object = scope.object();
  if (object.is_surface && (descriptor.Flags & CUDA_ARRAY3D_SURFACE_LDST) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  object.format = descriptor.Format;
  object.channels = descriptor.NumChannels;
  return Bind(scope, resource, message);
}

CUDA_RESOURCE_DESC ResourceOf(CUarray array) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_ARRAY;
  resource.res.array.hArray = array;
  return resource;
}

int LimitOf(const CallScope& scope, CUdevice_attribute attribute) {
  return scope.session().device(scope.device()).attribute(attribute);
}

CUresult CheckMemory(const CallScope& scope, const CUDA_RESOURCE_DESC& resource) {
  return abi::CheckTextureMemory(
      resource, [&scope](CUdevice_attribute attribute) { return LimitOf(scope, attribute); });
}

template <typename Scope>
CUresult TellArray(const Scope& scope, CUresourcetype type, uint64_t* array) {
  const ReferenceObject& object = scope.object();
  if (!object.is_bound || object.resource.resType != type) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return AsManualSays(FindArray(scope, object.resource, array));
}

}  // namespace

CUresult FindReference(const CallScope& scope,
                       const LoadedModule& loaded,
                       wire::Handle module,
                       const ReferenceName& what,
                       uint64_t* handle) {
  if (loaded.is_library()) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  // Not Guarded: held while the server is asked.
  std::lock_guard<std::mutex> lock(scope.session().objects().finding_references);
  *handle = FindKnown(scope.session(), module, what);
  return *handle != 0 ? CUDA_SUCCESS : Ask(scope, module, what, handle);
}

CUresult MakeReference(const CallScope& scope, uint64_t* handle) {
  return Ask(scope, 0, {.name = "", .is_surface = false}, handle);
}

CUresult EndReference(const TextureReferenceScope& scope) {
  if (scope.object().module != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // In this order: another thread may be given the same place, and the server must have heard.
  const CUresult result = scope.Post(wire::ReferenceDestroy{.reference = scope.handle()});
  scope.session().objects().references.Retire(scope.handle());
  return result;
}

CUresult BindReference(const TextureReferenceScope& scope, CUarray array) {
  return BindArray(scope, ResourceOf(array));
}

CUresult BindReference(const SurfaceReferenceScope& scope, CUarray array) {
  return BindArray(scope, ResourceOf(array));
}

CUresult BindReference(const TextureReferenceScope& scope, CUmipmappedArray array) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY;
  resource.res.mipmap.hMipmappedArray = array;
  return BindArray(scope, resource);
}

CUresult BindReference(const TextureReferenceScope& scope,
                       CUdeviceptr address,
                       size_t bytes,
                       size_t* offset_or_null) {
  ReferenceObject& object = scope.object();
  wire::ReferenceBind message{.reference = scope.handle(),
                              .resource = static_cast<uint32_t>(CU_RESOURCE_TYPE_LINEAR)};
  const int align = LimitOf(scope, CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  const uint64_t offset = align <= 0 ? 0 : address % static_cast<uint64_t>(align);
  const bool unbinds = address == 0 && bytes == 0;
  if (!unbinds) {
    CUDA_RESOURCE_DESC resource{};
    resource.resType = CU_RESOURCE_TYPE_LINEAR;
    resource.res.linear = {address, object.format, object.channels, bytes};
    CUresult possible = FillResource(scope, resource, &message);
    resource.res.linear.devPtr -= offset;
    resource.res.linear.sizeInBytes += offset;
    possible = possible == CUDA_SUCCESS ? CheckMemory(scope, resource) : possible;
    if (possible != CUDA_SUCCESS || bytes == 0 || (offset != 0 && offset_or_null == nullptr)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    object.resource = resource;
  }
  if (offset_or_null != nullptr) {
    *offset_or_null = offset;
  }
  object.is_bound = !unbinds;
  return scope.Post(message);
}

CUresult BindReference(const TextureReferenceScope& scope,
                       const CUDA_ARRAY_DESCRIPTOR& picture,
                       CUdeviceptr address,
                       size_t pitch) {
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_PITCH2D;
  resource.res.pitch2D = {address,       picture.Format, picture.NumChannels,
                          picture.Width, picture.Height, pitch};
  const CUresult checked = CheckMemory(scope, resource);
  if (checked != CUDA_SUCCESS) {
    return checked;
  }
  const uint64_t texel = abi::BytesOfTexel(picture.Format, picture.NumChannels);
  if (!scope.OwnsRows(address, picture.Width, texel, pitch, picture.Height)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::ReferenceBind message;
  const CUresult possible = FillResource(scope, resource, &message);
  if (possible != CUDA_SUCCESS) {
    return possible;
  }
  scope.object().format = picture.Format;
  scope.object().channels = picture.NumChannels;
  return Bind(scope, resource, message);
}

CUresult SendSampling(const TextureReferenceScope& scope) {
  const ReferenceObject& object = scope.object();
  return scope.Post(wire::ReferenceSet{.reference = scope.handle(),
                                       .format = static_cast<int32_t>(object.format),
                                       .channels = object.channels,
                                       .texture = std::as_bytes(std::span(&object.sampling, 1))});
}

CUresult SetReferenceFormat(const TextureReferenceScope& scope,
                            CUarray_format format,
                            int channels) {
  if (channels < 0 || abi::BytesOfTexel(format, static_cast<uint32_t>(channels)) == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  scope.object().format = format;
  scope.object().channels = static_cast<uint32_t>(channels);
  return SendSampling(scope);
}

CUresult SetReferenceMode(const TextureReferenceScope& scope, int dimension, CUaddress_mode mode) {
  scope.object().sampling.addressMode[dimension] = mode;
  return SendSampling(scope);
}

CUresult SetReferenceClamp(const TextureReferenceScope& scope, float lowest, float highest) {
  scope.object().sampling.minMipmapLevelClamp = lowest;
  scope.object().sampling.maxMipmapLevelClamp = highest;
  return SendSampling(scope);
}

CUresult SetReferenceBorder(const TextureReferenceScope& scope, const float* color) {
  std::copy_n(color, std::size(scope.object().sampling.borderColor),
              scope.object().sampling.borderColor);
  return SendSampling(scope);
}

CUresult TellReferenceAddress(const TextureReferenceScope& scope, uint64_t* address) {
  const ReferenceObject& object = scope.object();
  if (!object.is_bound) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  switch (object.resource.resType) {
    case CU_RESOURCE_TYPE_LINEAR:
      *address = object.resource.res.linear.devPtr;
      return CUDA_SUCCESS;
    case CU_RESOURCE_TYPE_PITCH2D:
      *address = object.resource.res.pitch2D.devPtr;
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult TellReferenceArray(const TextureReferenceScope& scope,
                            CUresourcetype type,
                            uint64_t* array) {
  return TellArray(scope, type, array);
}

CUresult TellReferenceArray(const SurfaceReferenceScope& scope,
                            CUresourcetype type,
                            uint64_t* array) {
  return TellArray(scope, type, array);
}

CUresult TellReferenceMode(const TextureReferenceScope& scope,
                           int dimension,
                           CUaddress_mode* mode) {
  *mode = scope.object().sampling.addressMode[dimension];
  return CUDA_SUCCESS;
}

CUresult TellReferenceBorder(const TextureReferenceScope& scope, float* color) {
  std::copy(std::begin(scope.object().sampling.borderColor),
            std::end(scope.object().sampling.borderColor), color);
  return CUDA_SUCCESS;
}

CUresult TakeReference(const TextureReferenceScope& scope, CUfunction function) {
  if (scope.object().module == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return scope.Knows(function) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

void ForgetReferencesIn(Session& session, wire::Handle context) {
  session.objects().references.RetireIf(
      [context](const ReferenceObject& object) { return object.context == context; });
}

void ForgetReferencesOf(Session& session, wire::Handle module) {
  session.objects().references.RetireIf(
      [module](const ReferenceObject& object) { return object.module == module; });
}

}  // namespace farlane::shim
