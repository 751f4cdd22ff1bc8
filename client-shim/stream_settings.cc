// SPDX-License-Identifier: Apache-2.0
#include "client-shim/stream_settings.h"

#include <algorithm>

namespace farlane::shim {
namespace {

// Null for a stream that there is not.
StreamAttributesPtr Find(const CallScope& scope, CUstream stream) {
  Objects& objects = scope.session().objects();
  if (stream == nullptr) {
    return objects.contexts.Find(scope.context())->attributes;
  }
  const Stream* found = objects.streams.Find(ToWire(stream));
  return found == nullptr ? nullptr : found->attributes;
}

}  // namespace

int32_t InRange(const CallScope& scope, int32_t priority) {
  const Device& device = scope.session().device(scope.device());
  return std::clamp(priority, device.priority_greatest,
                    std::max(device.priority_greatest, device.priority_least));
}

CUresult TellStreamAttribute(const CallScope& scope,
                             CUstream stream,
                             CUstreamAttrID id,
                             CUstreamAttrValue* value) {
  const StreamAttributesPtr attributes = Find(scope, stream);
  return attributes == nullptr ? CUDA_ERROR_INVALID_HANDLE : attributes->Tell(id, value);
}

CUresult SetStreamAttribute(const CallScope& scope,
                            CUstream stream,
                            CUstreamAttrID id,
                            const CUstreamAttrValue* value) {
  const StreamAttributesPtr attributes = Find(scope, stream);
  if (attributes == nullptr || value == nullptr) {
    return value == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  CUstreamAttrValue wanted = *value;
  if (id == CU_LAUNCH_ATTRIBUTE_PRIORITY) {
    wanted.priority = InRange(scope, wanted.priority);
  }
  const CUresult result = attributes->Set(id, wanted);
  return result == CUDA_SUCCESS
             ? scope.Post(wire::StreamAttribute{
                   .stream = ToWire(stream),
                   .attribute = id,
                   .value = {reinterpret_cast<const std::byte*>(&wanted), sizeof wanted}})
             : result;
}

CUresult CopyStreamAttributes(const CallScope& scope, CUstream to, CUstream from) {
  const StreamAttributesPtr source = Find(scope, from);
  if (source == nullptr) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  for (const CUstreamAttrID id : abi::kStreamAttributes) {
    CUstreamAttrValue value{};
    CUresult result = source->Tell(id, &value);
    if (result == CUDA_SUCCESS) {
      result = SetStreamAttribute(scope, to, id, &value);
    }
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
