// SPDX-License-Identifier: Apache-2.0
// Texture and surface references: the driver finds, binds and sets them. A launch sees what the
// messages before it said, because all of them go to the driver in one order.
#include <algorithm>
#include <cstring>
#include <span>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "gpu-server/session/texture_resource.h"

namespace farlane::server {
namespace {

using wire::WireError;

// How the driver reads by a texture reference before anything is set. What it does not say is 0.
void AskSampling(const DriverTable& driver, BoundReference* reference) {
  const CUtexref texture = reference->texture;
  CUDA_TEXTURE_DESC& sampling = reference->sampling;
  int channels = 0;
  static_cast<void>(driver.cuTexRefGetFormat(&reference->format, &channels, texture));
  reference->channels = static_cast<uint32_t>(std::max(channels, 0));
  for (int dimension = 0; dimension < 3; ++dimension) {
    static_cast<void>(
        driver.cuTexRefGetAddressMode(&sampling.addressMode[dimension], texture, dimension));
  }
  int anisotropy = 0;
  static_cast<void>(driver.cuTexRefGetFilterMode(&sampling.filterMode, texture));
  static_cast<void>(driver.cuTexRefGetFlags(&sampling.flags, texture));
  static_cast<void>(driver.cuTexRefGetMaxAnisotropy(&anisotropy, texture));
  sampling.maxAnisotropy = static_cast<unsigned>(std::max(anisotropy, 0));
  static_cast<void>(driver.cuTexRefGetMipmapFilterMode(&sampling.mipmapFilterMode, texture));
  static_cast<void>(driver.cuTexRefGetMipmapLevelBias(&sampling.mipmapLevelBias, texture));
  static_cast<void>(driver.cuTexRefGetMipmapLevelClamp(&sampling.minMipmapLevelClamp,
                                                       &sampling.maxMipmapLevelClamp, texture));
  static_cast<void>(driver.cuTexRefGetBorderColor(sampling.borderColor, texture));
}

CUresult Find(ClientSession& session,
              const wire::ReferenceFind& message,
              BoundReference* reference) {
  const DriverTable& driver = session.driver();
  if (message.module == 0) {
    return message.surface != 0 ? CUDA_ERROR_INVALID_VALUE
                                : driver.cuTexRefCreate(&reference->texture);
  }
  BoundImage module;
  if (!session.Find(message.module, &module)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  reference->image = module.image;
  reference->context = module.context;
  const std::string name(message.name);
  return message.surface != 0 ? module.image->FindReference(driver, name, &reference->surface)
                              : module.image->FindReference(driver, name, &reference->texture);
}

bool DiffersInLevels(const CUDA_TEXTURE_DESC& a, const CUDA_TEXTURE_DESC& b) {
  return a.minMipmapLevelClamp != b.minMipmapLevelClamp ||
         a.maxMipmapLevelClamp != b.maxMipmapLevelClamp;
}

// Tells the driver one thing, unless it has refused one before.
template <typename... Parameters, typename... Values>
void Tell(CUresult* result,
          CUresult (*call)(CUtexref, Parameters...),
          CUtexref texture,
          Values... values) {
  if (*result == CUDA_SUCCESS) {
    *result = call(texture, static_cast<Parameters>(values)...);
  }
}

// Tells the driver what differs from what it knows.
CUresult SetSampling(const DriverTable& driver,
                     const BoundReference& known,
                     CUDA_TEXTURE_DESC wanted) {
  const CUtexref texture = known.texture;
  const CUDA_TEXTURE_DESC& old = known.sampling;
  CUresult result = CUDA_SUCCESS;
  for (int dimension = 0; dimension < 3; ++dimension) {
    if (wanted.addressMode[dimension] != old.addressMode[dimension]) {
      Tell(&result, driver.cuTexRefSetAddressMode, texture, dimension,
           wanted.addressMode[dimension]);
    }
  }
  if (wanted.filterMode != old.filterMode) {
    Tell(&result, driver.cuTexRefSetFilterMode, texture, wanted.filterMode);
  }
  if (wanted.flags != old.flags) {
    Tell(&result, driver.cuTexRefSetFlags, texture, wanted.flags);
  }
  if (wanted.maxAnisotropy != old.maxAnisotropy) {
    Tell(&result, driver.cuTexRefSetMaxAnisotropy, texture, wanted.maxAnisotropy);
  }
  if (wanted.mipmapFilterMode != old.mipmapFilterMode) {
    Tell(&result, driver.cuTexRefSetMipmapFilterMode, texture, wanted.mipmapFilterMode);
  }
  if (wanted.mipmapLevelBias != old.mipmapLevelBias) {
    Tell(&result, driver.cuTexRefSetMipmapLevelBias, texture, wanted.mipmapLevelBias);
  }
  if (DiffersInLevels(wanted, old)) {
    Tell(&result, driver.cuTexRefSetMipmapLevelClamp, texture, wanted.minMipmapLevelClamp,
         wanted.maxMipmapLevelClamp);
  }
  if (memcmp(wanted.borderColor, old.borderColor, sizeof old.borderColor) != 0) {
    Tell(&result, driver.cuTexRefSetBorderColor, texture, &wanted.borderColor[0]);
  }
  return result;
}

CUresult BindTexture(ClientSession& session,
                     const BoundReference& reference,
                     const wire::ReferenceBind& message,
                     const CUDA_RESOURCE_DESC& resource) {
  const DriverTable& driver = session.driver();
  switch (resource.resType) {
    case CU_RESOURCE_TYPE_ARRAY:
      return driver.cuTexRefSetArray(reference.texture, resource.res.array.hArray,
                                     CU_TRSA_OVERRIDE_FORMAT);
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      return driver.cuTexRefSetMipmappedArray(
          reference.texture, resource.res.mipmap.hMipmappedArray, CU_TRSA_OVERRIDE_FORMAT);
    case CU_RESOURCE_TYPE_LINEAR: {
      size_t offset = 0;  // which the client has told its program
      return driver.cuTexRefSetAddress_v2(&offset, reference.texture, message.address,
                                          message.width);
    }
    default: {
      const CUDA_ARRAY_DESCRIPTOR picture = {message.width, message.height,
                                             static_cast<CUarray_format>(message.format),
                                             message.channels};
      return driver.cuTexRefSetAddress2D_v3(reference.texture, &picture, message.address,
                                            message.pitch);
    }
  }
}

// What the driver now says of its format without being asked.
void NoteFormat(ClientSession& session,
                const wire::ReferenceBind& message,
                const CUDA_RESOURCE_DESC& resource,
                BoundReference* reference) {
  if (const BoundArray* array = session.arrays().Find(message.array)) {
    reference->format = array->shape.descriptor().Format;
    reference->channels = array->shape.descriptor().NumChannels;
  } else if (resource.resType == CU_RESOURCE_TYPE_PITCH2D) {
    reference->format = resource.res.pitch2D.format;
    reference->channels = resource.res.pitch2D.numChannels;
  }
}

CUresult Bind(ClientSession& session,
              const wire::ReferenceBind& message,
              BoundReference* reference) {
  const bool unbinds = message.resource == CU_RESOURCE_TYPE_LINEAR && message.width == 0;
  CUDA_RESOURCE_DESC resource{};
  resource.resType = CU_RESOURCE_TYPE_LINEAR;
  CUresult result = unbinds ? CUDA_SUCCESS : FillResource(session, message, &resource);
  const bool is_surface = reference->surface != nullptr;
  if (result != CUDA_SUCCESS || (unbinds && message.address != 0) ||
      (is_surface && resource.resType != CU_RESOURCE_TYPE_ARRAY)) {
    return result == CUDA_SUCCESS ? CUDA_ERROR_INVALID_VALUE : result;
  }
  result = is_surface ? session.driver().cuSurfRefSetArray(reference->surface,
                                                           resource.res.array.hArray, 0)
                      : BindTexture(session, *reference, message, resource);
  NoteFormat(session, message, resource, reference);
  return result;
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ReferenceFind& message) {
  FARLANE_WIRE_TRY(session.arrays().CheckNewReference(message.reference));
  if (session.context() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  BoundReference reference;
  reference.context = session.context();
  const CUresult result = Find(session, message, &reference);
  if (result == CUDA_SUCCESS && reference.texture != nullptr) {
    AskSampling(session.driver(), &reference);
  }
  session.Answer(
      view, result,
      wire::ReferenceFindReply{.format = static_cast<int32_t>(reference.format),
                               .channels = reference.channels,
                               .texture = std::as_bytes(std::span(&reference.sampling, 1))});
  if (result == CUDA_SUCCESS) {
    session.arrays().BindReference(message.reference, std::move(reference));
  }
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ReferenceSet& message) {
  CUDA_TEXTURE_DESC wanted{};
  if (message.texture.size() != sizeof wanted) {
    return WireError::kBadValue;
  }
  memcpy(&wanted, message.texture.data(), sizeof wanted);
  BoundReference* const reference = session.arrays().FindReference(message.reference);
  if (reference == nullptr || reference->texture == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  const auto format = static_cast<CUarray_format>(message.format);
  CUresult result = CUDA_SUCCESS;
  if (format != reference->format || message.channels != reference->channels) {
    result = abi::BytesOfTexel(format, message.channels) == 0
                 ? CUDA_ERROR_INVALID_VALUE
                 : session.driver().cuTexRefSetFormat(reference->texture, format,
                                                      static_cast<int>(message.channels));
  }
  const CUresult set = SetSampling(session.driver(), *reference, wanted);
  // Also what was refused is not said again with each thing that comes after it.
  reference->format = format;
  reference->channels = message.channels;
  reference->sampling = wanted;
  session.Finish(view, result == CUDA_SUCCESS ? set : result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ReferenceBind& message) {
  BoundReference* const reference = session.arrays().FindReference(message.reference);
  if (reference == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  session.Finish(view, Bind(session, message, reference));
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::ReferenceDestroy& message) {
  BoundReference reference;
  const BoundReference* const found = session.arrays().FindReference(message.reference);
  if (found == nullptr || found->image != nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
  }
  static_cast<void>(session.arrays().TakeReference(message.reference, &reference));
  session.Finish(view, session.driver().cuTexRefDestroy(reference.texture));
  return WireError::kNone;
}

}  // namespace farlane::server
