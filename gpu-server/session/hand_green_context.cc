// SPDX-License-Identifier: Apache-2.0
// Green contexts: the driver's own, made of resources that it has given out to this client.
#include <cstring>

#include "gpu-server/session/client_session.h"
#include "gpu-server/session/hand.h"

namespace farlane::server {
namespace {

using wire::WireError;

// No device has so many processors.
constexpr uint32_t kGroupsMax = 1024;

// A part of a split on the wire.
struct Part {
  uint64_t resource = 0;
  uint32_t count = 0;
  uint32_t least = 0;
  uint32_t alignment = 0;
  uint32_t reserved = 0;
};

// False when the client has too many resources.
bool Keep(ClientSession& session, const CUdevResource& resource, Part* part) {
  if (resource.type == CU_DEV_RESOURCE_TYPE_INVALID) {
    return true;  // nothing is left
  }
  *part = {.resource = session.dev_resources().Keep(resource),
           .count = resource.sm.smCount,
           .least = resource.sm.minSmPartitionSize,
           .alignment = resource.sm.smCoscheduledAlignment};
  return part->resource != 0;
}

CUresult Split(ClientSession& session,
               const wire::DevResourceSplit& message,
               std::vector<Part>* parts,
               uint32_t* groups) {
  const CUdevResource* const input = session.dev_resources().Find(message.resource);
  if (input == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::vector<CUdevResource> made(message.groups);
  CUdevResource rest{};
  *groups = message.groups;
  const CUresult result = session.driver().cuDevSmResourceSplitByCount(
      made.empty() ? nullptr : made.data(), groups, input, made.empty() ? nullptr : &rest,
      message.flags, message.minimum);
  if (result != CUDA_SUCCESS || made.empty()) {
    return result;
  }
  if (*groups > made.size()) {
    return CUDA_ERROR_UNKNOWN;
  }
  made.resize(*groups);
  made.push_back(rest);
  parts->resize(made.size());
  for (size_t i = 0; i < made.size(); ++i) {
    if (!Keep(session, made[i], &(*parts)[i])) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  return CUDA_SUCCESS;
}

// One GreenContextCreate on its way: shared by its steps, of which the driver's runs on a waiter.
struct Creation {
  wire::MessageView view;  // its body is gone
  wire::Handle handle = 0;
  ContextPtr home;
  uint32_t flags = 0;
  std::vector<CUdevResource> resources;
  CUcontext made = nullptr;
  CUgreenCtx green = nullptr;
};

CUresult Create(const DriverTable& driver, Creation* creation) {
  CUdevResourceDesc description = nullptr;
  CUresult result =
      driver.cuDevResourceGenerateDesc(&description, creation->resources.data(),
                                       static_cast<unsigned int>(creation->resources.size()));
  if (result == CUDA_SUCCESS) {
    result = driver.cuGreenCtxCreate(&creation->green, description, creation->home->device,
                                     creation->flags);
  }
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = driver.cuCtxFromGreenCtx(&creation->made, creation->green);
  if (result != CUDA_SUCCESS) {
    static_cast<void>(driver.cuGreenCtxDestroy(creation->green));
  }
  return result;
}

// On the dispatch thread.
void Finish(ClientSession& session, const Creation& creation, CUresult result) {
  if (result == CUDA_SUCCESS &&
      session.CheckNew(creation.handle, wire::HandleKind::kContext) != WireError::kNone) {
    result = CUDA_ERROR_INVALID_HANDLE;  // given to another context in the meantime
    static_cast<void>(session.driver().cuGreenCtxDestroy(creation.green));
  }
  if (result == CUDA_SUCCESS) {
    auto state = std::make_shared<ContextState>(session.driver(), creation.made,
                                                creation.home->device, false);
    state->green = creation.green;
    state->home = creation.home;
    session.Bind(creation.handle, std::move(state));
  }
  session.Answer(creation.view, result);
}

}  // namespace

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::DevResource& message) {
  CUdevResource resource{};
  CUresult result = CUDA_SUCCESS;
  if (message.context != 0) {
    ContextPtr context;
    if (!session.Find(message.context, &context)) {
      return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
    }
    result =
        session.driver().cuCtxGetDevResource(context->context, &resource, CU_DEV_RESOURCE_TYPE_SM);
  } else {
    const DeviceMemory* const memory = session.memory(message.device);
    if (memory == nullptr) {
      return session.Refuse(view, CUDA_ERROR_INVALID_DEVICE);
    }
    result = session.driver().cuDeviceGetDevResource(memory->device(), &resource,
                                                     CU_DEV_RESOURCE_TYPE_SM);
  }
  Part part;
  if (result == CUDA_SUCCESS && !Keep(session, resource, &part)) {
    result = CUDA_ERROR_OUT_OF_MEMORY;
  }
  session.Answer(view, result,
                 wire::DevResourceReply{.resource = part.resource,
                                        .count = part.count,
                                        .least = part.least,
                                        .alignment = part.alignment});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::DevResourceSplit& message) {
  if (message.groups > kGroupsMax) {
    return WireError::kBadValue;
  }
  std::vector<Part> parts;
  uint32_t groups = 0;
  const CUresult result = Split(session, message, &parts, &groups);
  session.Answer(
      view, result,
      wire::DevResourceSplitReply{.groups = groups,
                                  .parts = {reinterpret_cast<const std::byte*>(parts.data()),
                                            parts.size() * sizeof(Part)}});
  return WireError::kNone;
}

WireError Execute(ClientSession& session,
                  const wire::MessageView& view,
                  const wire::GreenContextCreate& message) {
  FARLANE_WIRE_TRY(session.CheckNew(message.context, wire::HandleKind::kContext));
  const size_t count = message.resources.size() / sizeof(uint64_t);
  if (count == 0 || count > kGroupsMax || count * sizeof(uint64_t) != message.resources.size()) {
    return WireError::kBadValue;
  }
  const auto creation = std::make_shared<Creation>();
  creation->view = {.op = view.op, .flags = view.flags, .sequence = view.sequence, .body = {}};
  creation->handle = message.context;
  creation->flags = message.flags;
  const DeviceMemory* const memory = session.memory(message.device);
  if (memory == nullptr || !session.Find(message.home, &creation->home) ||
      !creation->home->primary || creation->home->device != memory->device()) {
    return session.Refuse(view, CUDA_ERROR_INVALID_CONTEXT);
  }
  std::vector<uint64_t> numbers(count);
  memcpy(numbers.data(), message.resources.data(), message.resources.size());
  for (const uint64_t number : numbers) {
    const CUdevResource* const resource = session.dev_resources().Find(number);
    if (resource == nullptr) {
      return session.Refuse(view, CUDA_ERROR_INVALID_VALUE);
    }
    creation->resources.push_back(*resource);
  }
  session.Defer(view, [&session, creation] {
    const CUresult result = Create(session.driver(), creation.get());
    session.Return([&session, creation, result] { Finish(session, *creation, result); });
  });
  return WireError::kNone;
}

}  // namespace farlane::server
