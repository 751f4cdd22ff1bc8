// SPDX-License-Identifier: Apache-2.0
// Settings of streams, and fences between them.
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"
#include "protocol/abi/stream_attributes.h"

namespace farlane::server {

using wire::WireError;

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::StreamAttribute& message) {
  CUstreamAttrValue value{};
  CUstream stream = nullptr;
  if (message.value.size() != sizeof value) {
    return WireError::kBadValue;
  }
  if (!session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  memcpy(&value, message.value.data(), sizeof value);
  // None of those that pass holds a handle or a pointer that anybody follows: the start of a window
  // is a hint to the cache.
  const auto attribute = static_cast<CUstreamAttrID>(message.attribute);
  CUresult result = abi::StreamAttributes::Check(attribute, value);
  if (result == CUDA_SUCCESS) {
    result = session.driver().cuStreamSetAttribute(stream, attribute, &value);
  }
  session.Finish(view, result);
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::StreamFence& message) {
  CUstream stream = nullptr;
  if (!session.FindOrNull(message.stream, &stream)) {
    return session.Refuse(view, CUDA_ERROR_INVALID_HANDLE);
  }
  if (session.context() == nullptr) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  session.Finish(view, session.fences().Add({session.context(), message.stream, stream}));
  return WireError::kNone;
}

}  // namespace farlane::server
