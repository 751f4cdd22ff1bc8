// SPDX-License-Identifier: Apache-2.0
#include "client-shim/host_posts.h"

#include "client-shim/bodies.h"
#include "client-shim/graph_messages.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

graph::Standing StandingOf(const CallScope& scope, CUstream stream, CUresult* result) {
  Session& session = scope.session();
  return session.captures().busy() ? session.captures().StandingOf(
                                         session.TraitsOf(scope.context(), ToWire(stream)), result)
                                   : graph::Standing::kFree;
}

CUresult PostFunction(const CallScope& scope, CUstream stream, HostCall call) {
  Session& session = scope.session();
  call.context = scope.context();
  const bool callback = call.kind == HostCall::Kind::kCallback;
  const HostCallPtr made = session.host_calls().Make(call);
  const wire::HostFunction message{
      .stream = ToWire(stream), .call = made->number, .always = callback ? 1u : 0u};
  CUresult result = CUDA_SUCCESS;
  const graph::Standing standing = StandingOf(scope, stream, &result);
  if (standing == graph::Standing::kRefused) {
    return result;
  }
  if (standing == graph::Standing::kCaptured) {
    return callback ? session.captures().Spoil(ToWire(stream))
                    : session.captures().Append(ToWire(stream),
                                                CommandOf(session, scope.context(), message,
                                                          CU_GRAPH_NODE_TYPE_HOST, made));
  }
  session.host_calls().Expect(made);
  return scope.Post(message);
}

template <typename Message, typename ArrayMessage>
graph::CommandPtr CopyCommand(const CallScope& scope,
                              const HostCallPtr& call,
                              const CopyPlace& device) {
  if (device.array != 0) {
    const ArrayMessage message{.stream = 0,
                               .call = call->number,
                               .array = device.array,
                               .x = device.x,
                               .y = device.y,
                               .z = device.z,
                               .width = call->shape.width,
                               .rows = call->shape.rows};
    return CommandOf(scope.session(), scope.context(), message, CU_GRAPH_NODE_TYPE_MEMCPY, call);
  }
  const Message message{.stream = 0,
                        .call = call->number,
                        .address = device.address,
                        .width = call->shape.width,
                        .pitch = call->shape.device_pitch,
                        .rows = call->shape.rows};
  return CommandOf(scope.session(), scope.context(), message, CU_GRAPH_NODE_TYPE_MEMCPY, call);
}

}  // namespace

CUresult LaunchHostFunction(const CallScope& scope,
                            CUstream stream,
                            CUhostFn function,
                            void* data) {
  if (function == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return PostFunction(
      scope, stream,
      {.kind = HostCall::Kind::kFunction, .function = function, .stream = stream, .data = data});
}

CUresult AddStreamCallback(const CallScope& scope,
                           CUstream stream,
                           CUstreamCallback callback,
                           void* data) {
  if (callback == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return PostFunction(
      scope, stream,
      {.kind = HostCall::Kind::kCallback, .callback = callback, .stream = stream, .data = data});
}

CUresult LaunchBridge(const CallScope& scope, CUstream stream, std::function<CUresult()> bridge) {
  return PostFunction(
      scope, stream,
      {.kind = HostCall::Kind::kBridge, .stream = stream, .bridge = std::move(bridge)});
}

bool TakeCopyIntoCapture(const CallScope& scope,
                         CUstream stream,
                         HostCall::Kind kind,
                         void* host,
                         const CopyPlace& device,
                         const RowShape& shape,
                         CUresult* result) {
  const graph::Standing standing = StandingOf(scope, stream, result);
  if (standing != graph::Standing::kCaptured) {
    return standing == graph::Standing::kRefused;
  }
  if (shape.width == 0 || shape.rows == 0) {
    return true;
  }
  if (shape.width * shape.rows > Transfers::kWindowBytes) {
    *result = Missing("a graph's copy of more than 64 MiB of host memory");
    return true;
  }
  Session& session = scope.session();
  const HostCallPtr call = session.host_calls().Make(
      {.kind = kind, .host = static_cast<std::byte*>(host), .shape = shape});
  *result = session.captures().Append(
      ToWire(stream), kind == HostCall::Kind::kFetch
                          ? CopyCommand<wire::HostFetch, wire::ArrayFetch>(scope, call, device)
                          : CopyCommand<wire::HostStore, wire::ArrayStore>(scope, call, device));
  return true;
}

bool TakeMoveIntoCapture(const CallScope& scope,
                         CUstream stream,
                         void* to,
                         const void* from,
                         const RowShape& shape,
                         CUresult* result) {
  const graph::Standing standing = StandingOf(scope, stream, result);
  if (standing != graph::Standing::kCaptured) {
    return standing == graph::Standing::kRefused;
  }
  if (shape.width == 0 || shape.rows == 0) {
    return true;
  }
  Session& session = scope.session();
  const HostCallPtr call = session.host_calls().Make({.kind = HostCall::Kind::kMove,
                                                      .context = scope.context(),
                                                      .host = static_cast<std::byte*>(to),
                                                      .from = static_cast<const std::byte*>(from),
                                                      .shape = shape});
  const wire::HostFunction message{.stream = ToWire(stream), .call = call->number, .always = 0};
  *result = session.captures().Append(ToWire(stream), CommandOf(session, scope.context(), message,
                                                                CU_GRAPH_NODE_TYPE_MEMCPY, call));
  return true;
}

}  // namespace farlane::shim
