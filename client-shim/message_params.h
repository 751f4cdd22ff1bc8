// SPDX-License-Identifier: Apache-2.0
// What a recorded message amounts to in a program's words: a program may ask what the nodes of a
// graph do that a stream recorded, and change that.
#pragma once

#include "client-shim/session.h"
#include "protocol/graph/node_params.h"

namespace farlane::shim {

// Where the message was meant, and the program's part in it.
struct MessageUse {
  Session& session;
  wire::Handle context;
  const HostCall* host_or_null;
};

graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::Launch& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemcpyDtoDAsync& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::CopyShape& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::ArrayCopyShape& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::HostFetch& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::HostStore& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::ArrayFetch& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::ArrayStore& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD8Async& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD16Async& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD32Async& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD2D8Async& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD2D16Async& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::MemsetD2D32Async& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::HostFunction& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::EventRecordWithFlags& message);
graph::NodeParamsPtr ParamsOf(const MessageUse& use, const wire::StreamWaitEvent& message);

// Nothing can be asked about the others.
template <typename Message>
graph::NodeParamsPtr ParamsOf(const MessageUse&, const Message&) {
  return nullptr;
}

// Where a kernel's arguments lie among all of them.
std::vector<graph::ArgumentPlace> PlacesOf(const Kernel& kernel);

}  // namespace farlane::shim
