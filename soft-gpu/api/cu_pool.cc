// SPDX-License-Identifier: Apache-2.0
// Stream-ordered allocation. Memory is there at once, which is more than stream order promises; it
// is freed where the stream gets to it.
#include <cstring>

#include "soft-gpu/api/node_call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {
namespace {

bool IsDeviceMemory(const CUmemLocation* location, CUmemAllocationType type) {
  return location->type == CU_MEM_LOCATION_TYPE_DEVICE && type == CU_MEM_ALLOCATION_TYPE_PINNED;
}

// A call about the pool of a place. Thread: caller's.
struct PlaceCall : PlainCall {
  PlaceCall(const void* needed, const CUmemLocation* location, CUmemAllocationType type) {
    if (result == CUDA_SUCCESS && (needed == nullptr || location == nullptr)) {
      result = CUDA_ERROR_INVALID_VALUE;
    }
    if (result == CUDA_SUCCESS && !IsDeviceMemory(location, type)) {
      result = CUDA_ERROR_NOT_SUPPORTED;
    }
    if (result == CUDA_SUCCESS && driver->FindDevice(location->id) == nullptr) {
      result = CUDA_ERROR_INVALID_VALUE;
    }
  }
};

template <typename T>
CUresult Put(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
  return CUDA_SUCCESS;
}

template <typename T>
T Take(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

size_t ReuseIndex(CUmemPool_attribute attribute) {
  return static_cast<size_t>(attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES);
}

CUresult AllocateFrom(const ContextCall& call,
                      uint64_t pool,
                      const StreamUse& use,
                      uint64_t bytes,
                      CUdeviceptr* address) {
  AllocationRequest request;
  FARLANE_SOFT_TRY(call.driver->pools().Reserve(pool, bytes, &request.device));
  request.context = use.context->handle();
  request.size_bytes = bytes;
  uint64_t made = 0;
  const CUresult result = call.driver->memory().Allocate(request, &made);
  if (result != CUDA_SUCCESS) {
    call.driver->pools().Cancel(pool, bytes);
    return result;
  }
  call.driver->pools().NoteAllocation(pool, made, bytes);
  uint32_t open_to = 0;
  static_cast<void>(call.driver->pools().With(pool, [&open_to](const MemoryPool& found) {
    open_to = found.open_to;
    return CUDA_SUCCESS;
  }));
  if (open_to != 0) {
    call.driver->memory().OpenTo(made, open_to);
  }
  *address = made;
  return CUDA_SUCCESS;
}

// On a stream that is recorded it is a node, of the graph's memory.
CUresult Record(const ContextCall& call, const StreamUse& use, CUgraphNodeParams* description) {
  graph::Captures& captures = call.driver->captures();
  const uint64_t stream = use.stream->traits().handle;
  graph::NodePlace place;
  if (!captures.PlaceOf(stream, &place.graph, &place.after)) {
    return CUDA_ERROR_ILLEGAL_STATE;  // another thread has ended the capture meanwhile
  }
  graph::CommandPtr command;
  FARLANE_SOFT_TRY(MakeMemoryCommand(call, place, description, &command));
  return captures.Append(stream, std::move(command));
}

// Adds a device to those that a pool of `owner` is open to, or takes it out. What is open already
// stays so until it is freed.
CUresult ChangeAccess(const PlainCall& call,
                      int owner,
                      const CUmemAccessDesc& wanted,
                      uint32_t* open_to) {
  const int device = wanted.location.id;
  if (wanted.location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
      call.driver->FindDevice(device) == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (wanted.flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE &&
      wanted.flags != CU_MEM_ACCESS_FLAGS_PROT_NONE) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const bool open = wanted.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  if (device == owner) {
    return open ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  const uint32_t bit = 1u << device;
  *open_to = open ? *open_to | bit : *open_to & ~bit;
  return CUDA_SUCCESS;
}

CUresult AllocateOn(const ContextCall& call,
                    uint64_t pool_or_null,
                    const StreamUse& use,
                    uint64_t bytes,
                    CUdeviceptr* address) {
  bool captured = false;
  FARLANE_SOFT_TRY(AskCapture(call, use, &captured));
  if (!captured) {
    FARLANE_SOFT_TRY(RefuseUnsafe(call));
    const uint64_t pool =
        pool_or_null == 0 ? call.driver->pools().Current(use.context->device()) : pool_or_null;
    return AllocateFrom(call, pool, use, bytes, address);
  }
  CUgraphNodeParams description{};
  description.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
  description.alloc.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  description.alloc.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, use.context->device()};
  description.alloc.bytesize = bytes;
  if (pool_or_null != 0) {
    FARLANE_SOFT_TRY(call.driver->pools().With(pool_or_null, [&](const MemoryPool& pool) {
      description.alloc.poolProps.location.id = pool.device;
      return CUDA_SUCCESS;
    }));
  }
  FARLANE_SOFT_TRY(Record(call, use, &description));
  *address = description.alloc.dptr;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemAllocAsync(CUdeviceptr* dptr, size_t bytesize, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (dptr == nullptr || bytesize == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  return AllocateOn(call, 0, use, bytesize, dptr);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* dptr,
                                 size_t bytesize,
                                 CUmemoryPool pool,
                                 CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  if (dptr == nullptr || bytesize == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  return pool == nullptr ? CUDA_ERROR_INVALID_VALUE
                         : AllocateOn(call, HandleNumber(pool), use, bytesize, dptr);
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  StreamUse use;
  FARLANE_SOFT_TRY(FindStream(call, hStream, &use));
  const auto range = call.driver->space().table().Find(dptr);
  const bool opened = range && range->kind == MemoryKind::kOpened;
  if (!range || range->base != dptr || (range->kind != MemoryKind::kDevice && !opened)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  bool captured = false;
  FARLANE_SOFT_TRY(AskCapture(call, use, &captured));
  if (captured) {
    CUgraphNodeParams description = *graph::FreeNode(dptr);
    return Record(call, use, &description);
  }
  Work work;
  work.brief = true;
  work.always = true;
  CUresult freed = CUDA_SUCCESS;
  if (graph::GraphBlockPtr kept; call.driver->graph_memory().Free(dptr, &freed, &kept)) {
    FARLANE_SOFT_TRY(freed);
    work.run = [kept] { return CUDA_SUCCESS; };  // until the stream gets here it is used
    return Put(call, use, std::move(work));
  }
  if (opened) {
    work.run = [all = &call.driver->opened_memory(), dptr] { return all->Close(dptr, true); };
    return Put(call, use, std::move(work));
  }
  call.driver->pools().NoteFree(dptr);
  work.run = [memory = &call.driver->memory(), dptr] {
    return memory->Free(dptr, {MemoryKind::kDevice}) == CUDA_SUCCESS ? CUDA_SUCCESS
                                                                     : CUDA_ERROR_ILLEGAL_ADDRESS;
  };
  return Put(call, use, std::move(work));
}

CUresult cuMemPoolCreate(CUmemoryPool* pool, const CUmemPoolProps* poolProps) {
  const PlaceCall call(
      pool, poolProps == nullptr ? nullptr : &poolProps->location,
      poolProps == nullptr ? CU_MEM_ALLOCATION_TYPE_INVALID : poolProps->allocType);
  FARLANE_SOFT_TRY(call.result);
  const bool for_others = poolProps->handleTypes == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  if (poolProps->handleTypes != CU_MEM_HANDLE_TYPE_NONE && !for_others) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const uint64_t made = call.driver->pools().Create(poolProps->location.id, poolProps->maxSize);
  *pool = AsHandle<CUmemoryPool>(made);
  return call.driver->pools().With(made, [for_others](MemoryPool& found) {
    found.for_others = for_others;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->pools().Destroy(HandleNumber(pool));
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  FARLANE_SOFT_TRY(RefuseUnsafe(call));
  return call.driver->pools().With(HandleNumber(pool), [](MemoryPool&) { return CUDA_SUCCESS; });
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void* value) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->pools().With(HandleNumber(pool), [&](MemoryPool& found) {
    switch (attr) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        found.reuse[ReuseIndex(attr)] = Take<int>(value) != 0 ? 1 : 0;
        return CUDA_SUCCESS;
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        found.release_threshold = Take<cuuint64_t>(value);
        return CUDA_SUCCESS;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        if (Take<cuuint64_t>(value) != 0) {
          return CUDA_ERROR_INVALID_VALUE;  // a high mark can be forgotten, not invented
        }
        found.used_bytes_high = found.used_bytes;
        return CUDA_SUCCESS;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void* value) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (value == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->pools().With(HandleNumber(pool), [&](const MemoryPool& found) {
    switch (attr) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        return Put(value, found.reuse[ReuseIndex(attr)]);
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        return Put<cuuint64_t>(value, found.release_threshold);
      case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        return Put<cuuint64_t>(value, found.used_bytes);
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        return Put<cuuint64_t>(value, found.used_bytes_high);
    }
    return CUDA_ERROR_INVALID_VALUE;
  });
}

CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc* map, size_t count) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (map == nullptr && count != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  uint32_t open_to = 0;
  FARLANE_SOFT_TRY(call.driver->pools().With(HandleNumber(pool), [&](MemoryPool& found) {
    open_to = found.open_to;
    for (size_t i = 0; i < count; ++i) {
      FARLANE_SOFT_TRY(ChangeAccess(call, found.device, map[i], &open_to));
    }
    found.open_to = open_to;
    return CUDA_SUCCESS;
  }));
  for (const uint64_t address : call.driver->pools().AddressesOf(HandleNumber(pool))) {
    call.driver->memory().OpenTo(address, open_to);
  }
  return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags* flags,
                            CUmemoryPool memPool,
                            CUmemLocation* location) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  if (flags == nullptr || location == nullptr || location->type != CU_MEM_LOCATION_TYPE_DEVICE ||
      call.driver->FindDevice(location->id) == nullptr) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return call.driver->pools().With(HandleNumber(memPool), [&](const MemoryPool& found) {
    const bool open = location->id == found.device || (found.open_to >> location->id & 1) != 0;
    *flags = open ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return CUDA_SUCCESS;
  });
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool* pool_out,
                                CUmemLocation* location,
                                CUmemAllocationType type) {
  const PlaceCall call(pool_out, location, type);
  FARLANE_SOFT_TRY(call.result);
  *pool_out = AsHandle<CUmemoryPool>(call.driver->pools().Default(location->id));
  return CUDA_SUCCESS;
}

CUresult cuMemGetMemPool(CUmemoryPool* pool, CUmemLocation* location, CUmemAllocationType type) {
  const PlaceCall call(pool, location, type);
  FARLANE_SOFT_TRY(call.result);
  *pool = AsHandle<CUmemoryPool>(call.driver->pools().Current(location->id));
  return CUDA_SUCCESS;
}

CUresult cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType type, CUmemoryPool pool) {
  const PlaceCall call(pool, location, type);
  FARLANE_SOFT_TRY(call.result);
  return call.driver->pools().SetCurrent(location->id, HandleNumber(pool));
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* pool_out, CUdevice dev) {
  CUmemLocation location{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = dev};
  const CUresult result =
      cuMemGetDefaultMemPool(pool_out, &location, CU_MEM_ALLOCATION_TYPE_PINNED);
  return result == CUDA_ERROR_INVALID_VALUE && pool_out != nullptr ? CUDA_ERROR_INVALID_DEVICE
                                                                   : result;
}

CUresult cuDeviceGetMemPool(CUmemoryPool* pool, CUdevice dev) {
  CUmemLocation location{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = dev};
  const CUresult result = cuMemGetMemPool(pool, &location, CU_MEM_ALLOCATION_TYPE_PINNED);
  return result == CUDA_ERROR_INVALID_VALUE && pool != nullptr ? CUDA_ERROR_INVALID_DEVICE : result;
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool) {
  const PlainCall call;
  FARLANE_SOFT_TRY(call.result);
  return call.driver->FindDevice(dev) == nullptr
             ? CUDA_ERROR_INVALID_DEVICE
             : call.driver->pools().SetCurrent(dev, HandleNumber(pool));
}

}  // namespace farlane::soft
