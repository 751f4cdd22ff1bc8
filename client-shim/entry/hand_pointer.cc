// SPDX-License-Identifier: Apache-2.0
// What a pointer is: device memory, pinned host memory, or none of ours. All of it is known here.
#include <cstring>

#include "client-shim/bodies.h"
#include "client-shim/call_scope.h"
#include "client-shim/object_scopes.h"

namespace farlane::shim {
namespace {

struct PointerFacts {
  CUmemorytype type = static_cast<CUmemorytype>(0);  // 0: none of ours
  wire::Handle context = 0;
  int32_t device = 0;
  uint64_t start = 0;
  uint64_t bytes = 0;
  bool managed = false;
  bool for_others = false;    // cuIpcGetMemHandle takes it
  uint64_t on_host = 0;       // the address by which the program uses it; 0: none
  uint64_t on_device = 0;     // the one by which the device does
  AddressRange mapping = {};  // smaller than the range, where the program maps memory by itself
  CUmemAccess_flags access = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;  // of the current device
};

// What a pointer is can be asked without a context; a context that has failed fails this, too.
// Thread: the caller's, on its stack.
class PointerScope : public SessionScope {
 public:
  PointerScope() {
    if (result() == CUDA_SUCCESS && call_.context() != 0 && call_.result() != CUDA_SUCCESS) {
      Refuse(call_.result());
    }
  }

  wire::Handle context() const { return call_.context(); }

  int32_t device() const { return call_.device(); }

 private:
  const CallScope call_;
};

PointerFacts LookAtMapped(const PointerScope& scope, CUdeviceptr pointer) {
  const std::optional<MappedRange> found = scope.session().virtual_memory().Find(pointer);
  if (!found.has_value()) {
    return {};
  }
  const auto access = found->access.find(scope.device());
  if (const auto opened = scope.session().shares().Find(pointer)) {
    return {.type = CU_MEMORYTYPE_DEVICE,
            .context = scope.session().primary_context(found->device),
            .device = found->device,
            .start = opened->address,
            .bytes = opened->bytes,
            .on_device = pointer,
            .mapping = *opened};
  }
  return {.type = CU_MEMORYTYPE_DEVICE,
          .context = scope.session().primary_context(found->device),
          .device = found->device,
          .start = found->reservation.address,
          .bytes = found->reservation.bytes,
          .on_device = pointer,
          .mapping = found->mapping,
          .access = access == found->access.end() ? CU_MEM_ACCESS_FLAGS_PROT_NONE : access->second};
}

PointerFacts LookAtPinned(const PointerScope& scope, uint64_t address) {
  const std::optional<PinnedRange> range =
      scope.session().host_memory().Find(reinterpret_cast<void*>(address));
  if (!range.has_value()) {
    return {};
  }
  const uint64_t offset = address - range->address;
  return {.type = CU_MEMORYTYPE_HOST,
          .context = scope.context(),
          .device = scope.device(),
          .start = range->address,
          .bytes = range->bytes,
          .on_host = address,
          .on_device = range->space.bytes != 0      ? address
                       : range->device_address == 0 ? 0
                                                    : range->device_address + offset,
          .mapping = {.address = range->address, .bytes = range->bytes}};
}

PointerFacts Look(const PointerScope& scope, CUdeviceptr pointer) {
  Session& session = scope.session();
  const std::optional<Mirror> mirror = session.mirrored().FindDevice(pointer);
  const bool managed = mirror.has_value() && mirror->kind == MirrorKind::kManaged;
  if (mirror.has_value() && !managed) {
    // Host memory is host memory by either of its addresses.
    return LookAtPinned(scope, pointer - mirror->device_address + mirror->host_address);
  }
  const int32_t device = session.DeviceOfAddress(pointer);
  if (device >= 0) {
    const std::optional<AddressRange> range = session.memory(device).Find(pointer);
    if (range.has_value()) {
      const wire::Handle context =
          range->owner != 0 ? range->owner : session.primary_context(device);
      return {.type = CU_MEMORYTYPE_DEVICE,
              .context = context,
              .device = device,
              .start = range->address,
              .bytes = range->bytes,
              .managed = managed,
              .for_others = !mirror.has_value() && session.memory(device).Contains(pointer),
              .on_host = managed ? pointer : 0,
              .on_device = pointer,
              .mapping = *range};
    }
    return LookAtMapped(scope, pointer);
  }
  return LookAtPinned(scope, pointer);
}

template <typename T>
void Put(void* to, T value) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): some of these values are pointers
  memcpy(to, &value, sizeof value);
}

// CUDA_ERROR_INVALID_VALUE for what the pointer does not have.
CUresult Answer(const PointerFacts& facts, CUpointer_attribute attribute, void* data) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      Put(data, FromWire<CUcontext>(facts.context));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      Put(data, facts.type);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      Put(data, facts.on_device);
      return facts.on_device != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      Put(data, facts.on_host);
      return facts.on_host != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      Put(data, 0u);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      Put(data, facts.for_others ? 1u : 0u);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      Put(data, facts.managed ? 1u : 0u);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      // Starts are not used for two buffers at once, which is all that the number promises within
      // our reach.
      Put(data, static_cast<unsigned long long>(facts.mapping.address));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      Put(data, facts.device);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      Put(data, static_cast<CUdeviceptr>(facts.start));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      Put(data, static_cast<size_t>(facts.bytes));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      Put(data, 1u);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      Put(data, uint64_t{0});
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      static_assert(static_cast<int>(CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE) ==
                    static_cast<int>(CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
      Put(data, facts.access);
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      Put(data, static_cast<CUdeviceptr>(facts.mapping.address));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      Put(data, static_cast<size_t>(facts.mapping.bytes));
      return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      Put(data, static_cast<void*>(nullptr));
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

// What cuPointerGetAttributes gives for a pointer that is none of ours; the sizes differ by
// attribute.
void AnswerUnknown(CUpointer_attribute attribute, void* data) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      Put(data, -2);  // CU_DEVICE_INVALID
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      Put(data, 0u);
      break;
    default:
      Put(data, uint64_t{0});
      break;
  }
}

}  // namespace

CUresult cuPointerGetAttribute(void* data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  const PointerScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (data == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const PointerFacts facts = Look(scope, ptr);
  return facts.type == 0 ? CUDA_ERROR_INVALID_VALUE : Answer(facts, attribute, data);
}

CUresult cuPointerGetAttributes(unsigned int numAttributes,
                                CUpointer_attribute* attributes,
                                void** data,
                                CUdeviceptr ptr) {
  const PointerScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  if (attributes == nullptr || data == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const PointerFacts facts = Look(scope, ptr);
  for (unsigned int i = 0; i < numAttributes; ++i) {
    if (data[i] == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (facts.type == 0) {
      AnswerUnknown(attributes[i], data[i]);
    } else {
      const CUresult result = Answer(facts, attributes[i], data[i]);
      if (result == CUDA_ERROR_NOT_SUPPORTED) {
        return result;
      }
    }
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void* value, CUpointer_attribute attribute, CUdeviceptr ptr) {
  const PointerScope scope;
  if (scope.result() != CUDA_SUCCESS) {
    return scope.result();
  }
  // Only SYNC_MEMOPS can be set; our synchronous copies always wait as it asks.
  const bool ours = Look(scope, ptr).type == CU_MEMORYTYPE_DEVICE;
  return value != nullptr && attribute == CU_POINTER_ATTRIBUTE_SYNC_MEMOPS && ours
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace farlane::shim
