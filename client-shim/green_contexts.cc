// SPDX-License-Identifier: Apache-2.0
#include "client-shim/green_contexts.h"

#include <atomic>
#include <cstring>
#include <optional>

#include "client-shim/bodies.h"
#include "client-shim/contexts.h"
#include "client-shim/within_context.h"

namespace farlane::shim {
namespace {

// The first driver that has them.
constexpr int32_t kDriverVersion = 12040;
constexpr uint32_t kApiVersion = 3020;  // what drivers say of any context
// No device has so many processors.
constexpr unsigned int kGroupsMax = 1024;
constexpr uint64_t kMarkMagic = 0x6e65'6572'676c'7266;  // so that what is no resource of ours shows
constexpr uint64_t kDescriptionKind = uint64_t{0x67} << 40;

// Lies where a driver keeps what is its own business.
struct Mark {
  uint64_t magic = kMarkMagic;
  uint64_t resource = 0;  // the server's number
  uint64_t split = 0;     // which split made it; 0: none
  int32_t device = 0;
  uint32_t reserved = 0;
};

static_assert(sizeof(Mark) <= sizeof(CUdevResource::_internal_padding));

// One part, as DevResourceSplit has it.
struct Part {
  uint64_t resource = 0;
  uint32_t count = 0;
  uint32_t least = 0;
  uint32_t alignment = 0;
  uint32_t reserved = 0;
};

// What was described together. Thread: immutable.
struct Description {
  Session* session = nullptr;
  int32_t device = 0;
  std::vector<uint64_t> resources;

  bool operator==(const Description&) const = default;
};

// Nothing ends a description, so two that say the same are one.
Guarded<std::vector<Description>>& Descriptions() {
  static auto* const all = new Guarded<std::vector<Description>>();  // exit handlers may call us
  return *all;
}

void Fill(const Mark& mark, const Part& part, CUdevResource* resource) {
  *resource = CUdevResource{};
  if (part.resource == 0) {
    return;  // of no type: nothing is left
  }
  resource->type = CU_DEV_RESOURCE_TYPE_SM;
  memcpy(resource->_internal_padding, &mark, sizeof mark);
  resource->sm.smCount = part.count;
  resource->sm.minSmPartitionSize = part.least;
  resource->sm.smCoscheduledAlignment = part.alignment;
}

CUresult Read(const CUdevResource& resource, Mark* mark) {
  if (resource.type != CU_DEV_RESOURCE_TYPE_SM) {
    return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  }
  memcpy(mark, resource._internal_padding, sizeof *mark);
  return mark->magic == kMarkMagic ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

uint64_t NextSplit() {
  static std::atomic<uint64_t> made{0};
  return made.fetch_add(1, std::memory_order_relaxed) + 1;
}

// The parts of an answer: as many as groups, and the rest.
bool ReadParts(const wire::DevResourceSplitReply& reply, std::vector<Part>* parts) {
  parts->resize(size_t{reply.groups} + 1);
  if (reply.parts.size() != parts->size() * sizeof(Part)) {
    return false;
  }
  memcpy(parts->data(), reply.parts.data(), reply.parts.size());
  return true;
}

std::optional<Description> Find(CUdevResourceDesc description) {
  const auto number = reinterpret_cast<uint64_t>(description) - kDescriptionKind;
  return Descriptions().With([number](const auto& all) -> std::optional<Description> {
    return number == 0 || number > all.size() ? std::nullopt : std::optional(all[number - 1]);
  });
}

}  // namespace

CUresult TellResource(Session& session,
                      int32_t device,
                      wire::Handle context,
                      CUdevResourceType type,
                      CUdevResource* resource) {
  if (type != CU_DEV_RESOURCE_TYPE_SM) {
    return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  }
  if (session.driver_version() < kDriverVersion) {
    return Missing("cuDeviceGetDevResource");
  }
  wire::DevResourceReply reply;
  const CUresult result = session.Call(
      0, wire::DevResource{.context = context, .device = session.device(device).server_ordinal},
      &reply);
  if (result == CUDA_SUCCESS) {
    Fill({.resource = reply.resource, .device = device},
         {.resource = reply.resource,
          .count = reply.count,
          .least = reply.least,
          .alignment = reply.alignment},
         resource);
  }
  return result;
}

CUresult SplitResource(const SplitTarget& target,
                       const CUdevResource& input,
                       unsigned int flags,
                       unsigned int minimum) {
  Mark mark;
  const CUresult read = Read(input, &mark);
  if (read != CUDA_SUCCESS) {
    return read;
  }
  Session* const session = Process::Get().SessionOfDevice(mark.device);
  const unsigned int wanted = target.parts_or_null == nullptr ? 0 : *target.groups;
  if (session == nullptr || (target.parts_or_null != nullptr && wanted == 0)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  channel::Answer answer;
  const CUresult result =
      session->Call(0,
                    wire::DevResourceSplit{.resource = mark.resource,
                                           .groups = std::min(wanted, kGroupsMax),
                                           .flags = flags,
                                           .minimum = minimum},
                    &answer);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  wire::DevResourceSplitReply reply;
  std::vector<Part> parts;
  if (Decode(answer.body, &reply) != wire::WireError::kNone ||
      (wanted != 0 && (reply.groups > wanted || !ReadParts(reply, &parts)))) {
    return CUDA_ERROR_UNKNOWN;  // what the server answers is no answer to this
  }
  *target.groups = reply.groups;
  mark.split = NextSplit();
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool is_rest = i + 1 == parts.size();
    CUdevResource* const to = is_rest ? target.rest_or_null : target.parts_or_null + i;
    mark.resource = parts[i].resource;
    if (to != nullptr) {
      Fill(mark, parts[i], to);
    }
  }
  return CUDA_SUCCESS;
}

CUresult DescribeResources(const CUdevResource* resources, unsigned int count, uint64_t* made) {
  if (count == 0 || count > kGroupsMax) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Description description{.session = nullptr, .device = 0, .resources = {}};
  uint64_t split = 0;
  for (unsigned int i = 0; i < count; ++i) {
    Mark mark;
    const CUresult read = Read(resources[i], &mark);
    if (read != CUDA_SUCCESS) {
      return read;
    }
    if (i == 0) {
      split = mark.split;
      description.device = mark.device;
    } else if (mark.device != description.device || mark.split != split || split == 0) {
      return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
    }
    description.resources.push_back(mark.resource);
  }
  description.session = Process::Get().SessionOfDevice(description.device);
  if (description.session == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *made = Descriptions().With([&description](auto& all) {
    const auto found = std::find(all.begin(), all.end(), description);
    const auto place = static_cast<uint64_t>(found - all.begin());
    if (found == all.end()) {
      all.push_back(description);
    }
    return kDescriptionKind + place + 1;
  });
  return CUDA_SUCCESS;
}

CUresult CreateGreenContext(const DeviceScope& scope,
                            int32_t device,
                            CUdevResourceDesc description,
                            unsigned int flags,
                            uint64_t* made) {
  const std::optional<Description> found = Find(description);
  if (!found.has_value() || found->device != device) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  Session& session = scope.session();
  wire::Handle home = 0;
  CUresult result = RetainPrimary(session, device, &home);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const wire::Handle handle =
      session.objects().contexts.Mint(Context{.device = device,
                                              .alive = true,
                                              .flags = session.objects().contexts.Find(home)->flags,
                                              .api_version = kApiVersion,
                                              .id = session.objects().next_id.fetch_add(1),
                                              .home = home});
  result = handle == 0 ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
  if (result == CUDA_SUCCESS) {
    const auto* const numbers = reinterpret_cast<const std::byte*>(found->resources.data());
    result = session.Call(
        0, wire::GreenContextCreate{
               .context = handle,
               .home = home,
               .device = scope.object().server_ordinal,
               .flags = flags,
               .resources = ConstBytes(numbers, found->resources.size() * sizeof(uint64_t))});
  }
  if (result != CUDA_SUCCESS) {
    session.objects().contexts.Retire(handle);
    static_cast<void>(ReleasePrimary(session, device));
    return result;
  }
  *made = handle;
  return CUDA_SUCCESS;
}

CUresult DestroyGreenContext(const GreenScope& scope) {
  const int32_t device = scope.object().device;
  Session& session = scope.session();
  const CUresult result = EndGreen(session, scope.handle());
  static_cast<void>(ReleasePrimary(session, device));  // reset meanwhile: nobody holds it any more
  return result;
}

CUresult GiveGreenContext(const GreenScope& scope, uint64_t* made) {
  *made = scope.handle();
  return CUDA_SUCCESS;
}

CUresult CreateGreenStream(const GreenScope& scope,
                           unsigned int flags,
                           int priority,
                           CUstream* stream) {
  const WithinContext within(scope.handle());
  return cuStreamCreateWithPriority(stream, flags, priority);
}

}  // namespace farlane::shim
