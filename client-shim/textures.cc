// SPDX-License-Identifier: Apache-2.0
#include "client-shim/textures.h"

#include <optional>
#include <span>

#include "client-shim/texture_resource.h"

namespace farlane::shim {
namespace {

template <typename T>
ConstBytes BytesOf(const T& record) {
  return std::as_bytes(std::span(&record, 1));
}

std::optional<TextureObject> Find(Guarded<TextureObjects>& objects, uint64_t number) {
  return objects.With([number](const TextureObjects& all) -> std::optional<TextureObject> {
    const auto found = all.find(number);
    return found == all.end() ? std::nullopt : std::optional(found->second);
  });
}

template <typename Message>
CUresult Destroy(const CallScope& scope, Guarded<TextureObjects>& objects, const Message& message) {
  const size_t erased =
      objects.With([&](TextureObjects& all) { return all.erase(message.object); });
  // Drivers say so of any number.
  return erased == 0 ? CUDA_SUCCESS : scope.Post(message);
}

template <typename Record>
CUresult Describe(Guarded<TextureObjects>& objects,
                  uint64_t number,
                  Record TextureObject::*field,
                  Record* record) {
  const std::optional<TextureObject> found = Find(objects, number);
  if (!found) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *record = (*found).*field;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult CreateTexture(const CallScope& scope,
                       const CUDA_RESOURCE_DESC& resource,
                       const CUDA_TEXTURE_DESC& texture,
                       const CUDA_RESOURCE_VIEW_DESC* view_or_null,
                       uint64_t* object) {
  wire::TextureCreate message{.texture = BytesOf(texture)};
  if (view_or_null != nullptr) {
    message.view = BytesOf(*view_or_null);
  }
  const CUresult possible =
      resource.flags != 0 ? CUDA_ERROR_INVALID_VALUE : FillResource(scope, resource, &message);
  if (possible != CUDA_SUCCESS) {
    return possible;
  }
  wire::TextureCreateReply reply;
  const CUresult result = scope.Call(message, &reply);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  *object = reply.object;
  TextureObject made{.context = scope.context(), .resource = resource, .texture = texture};
  if (view_or_null != nullptr) {
    made.view = *view_or_null;
  }
  scope.session().objects().textures.With([&](TextureObjects& all) { all[reply.object] = made; });
  return CUDA_SUCCESS;
}

CUresult DestroyTexture(const CallScope& scope, CUtexObject object) {
  return Destroy(scope, scope.session().objects().textures, wire::TextureDestroy{.object = object});
}

CUresult DescribeTexture(const CallScope& scope, CUtexObject object, CUDA_RESOURCE_DESC* resource) {
  return Describe(scope.session().objects().textures, object, &TextureObject::resource, resource);
}

CUresult DescribeTexture(const CallScope& scope, CUtexObject object, CUDA_TEXTURE_DESC* texture) {
  return Describe(scope.session().objects().textures, object, &TextureObject::texture, texture);
}

CUresult DescribeTexture(const CallScope& scope,
                         CUtexObject object,
                         CUDA_RESOURCE_VIEW_DESC* view) {
  return Describe(scope.session().objects().textures, object, &TextureObject::view, view);
}

CUresult CreateSurface(const CallScope& scope,
                       const CUDA_RESOURCE_DESC& resource,
                       uint64_t* object) {
  if (resource.resType != CU_RESOURCE_TYPE_ARRAY || resource.flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  wire::SurfaceCreate message;
  const CUresult possible = FindArray(scope, resource, &message.array);
  if (possible != CUDA_SUCCESS) {
    return possible;
  }
  wire::SurfaceCreateReply reply;
  const CUresult result = scope.Call(message, &reply);
  if (result == CUDA_SUCCESS) {
    *object = reply.object;
    scope.session().objects().surfaces.With([&](TextureObjects& all) {
      all[reply.object] = TextureObject{.context = scope.context(), .resource = resource};
    });
  }
  return result;
}

CUresult DestroySurface(const CallScope& scope, CUsurfObject object) {
  return Destroy(scope, scope.session().objects().surfaces, wire::SurfaceDestroy{.object = object});
}

CUresult DescribeSurface(const CallScope& scope,
                         CUsurfObject object,
                         CUDA_RESOURCE_DESC* resource) {
  return Describe(scope.session().objects().surfaces, object, &TextureObject::resource, resource);
}

void ForgetTextures(Session& session, wire::Handle context) {
  const auto forget = [context](TextureObjects& all) {
    std::erase_if(all, [context](const auto& entry) { return entry.second.context == context; });
  };
  session.objects().textures.With(forget);
  session.objects().surfaces.With(forget);
}

}  // namespace farlane::shim
