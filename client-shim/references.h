// SPDX-License-Identifier: Apache-2.0
// Texture and surface references: textures that a module declares by name and the program binds
// before it launches. Binding and setting are posts, which the launches behind them find done; all
// questions but the first are answered from what the program has said. The caller has made the
// scope and returns what these return.
#pragma once

#include "client-shim/object_scopes.h"

namespace farlane::shim {

// Which reference of a module.
struct ReferenceName {
  const char* name = nullptr;
  bool is_surface = false;
};

// The same handle each time. NOT_FOUND for a name that the module does not have.
CUresult FindReference(const CallScope& scope,
                       const LoadedModule& loaded,
                       wire::Handle module,
                       const ReferenceName& what,
                       uint64_t* handle);
// One that belongs to no module, so that no kernel reads by it.
CUresult MakeReference(const CallScope& scope, uint64_t* handle);
// INVALID_VALUE for one that a module declares.
CUresult EndReference(const TextureReferenceScope& scope);

CUresult BindReference(const TextureReferenceScope& scope, CUarray array);
CUresult BindReference(const TextureReferenceScope& scope, CUmipmappedArray array);
CUresult BindReference(const SurfaceReferenceScope& scope, CUarray array);
// Textures begin at aligned addresses: `offset_or_null` gets how far behind one `address` is. No
// memory of no length unbinds.
CUresult BindReference(const TextureReferenceScope& scope,
                       CUdeviceptr address,
                       size_t bytes,
                       size_t* offset_or_null);
CUresult BindReference(const TextureReferenceScope& scope,
                       const CUDA_ARRAY_DESCRIPTOR& picture,
                       CUdeviceptr address,
                       size_t pitch);

// Sends how the reference is read, as it is kept now.
CUresult SendSampling(const TextureReferenceScope& scope);

template <typename Value>
CUresult SetReference(const TextureReferenceScope& scope,
                      Value CUDA_TEXTURE_DESC::*field,
                      Value value) {
  scope.object().sampling.*field = value;
  return SendSampling(scope);
}

CUresult SetReferenceFormat(const TextureReferenceScope& scope,
                            CUarray_format format,
                            int channels);
CUresult SetReferenceMode(const TextureReferenceScope& scope, int dimension, CUaddress_mode mode);
CUresult SetReferenceClamp(const TextureReferenceScope& scope, float lowest, float highest);
CUresult SetReferenceBorder(const TextureReferenceScope& scope, const float* color);

// INVALID_VALUE where it is bound to nothing of that kind.
CUresult TellReferenceAddress(const TextureReferenceScope& scope, uint64_t* address);
CUresult TellReferenceArray(const TextureReferenceScope& scope,
                            CUresourcetype type,
                            uint64_t* array);
CUresult TellReferenceArray(const SurfaceReferenceScope& scope,
                            CUresourcetype type,
                            uint64_t* array);
CUresult TellReferenceMode(const TextureReferenceScope& scope, int dimension, CUaddress_mode* mode);
CUresult TellReferenceBorder(const TextureReferenceScope& scope, float* color);

// A kernel reads by all references of its module anyway; what is left is to check.
CUresult TakeReference(const TextureReferenceScope& scope, CUfunction function);

// What the client kept of the references of a context or module that is gone.
void ForgetReferencesIn(Session& session, wire::Handle context);
void ForgetReferencesOf(Session& session, wire::Handle module);

}  // namespace farlane::shim
