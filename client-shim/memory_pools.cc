// SPDX-License-Identifier: Apache-2.0
#include "client-shim/memory_pools.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "client-shim/bodies.h"
#include "client-shim/session.h"
#include "protocol/base/bytes.h"

namespace farlane::shim {
namespace {

// Pools begin far from the small numbers that programs confuse with handles.
constexpr uint64_t kFirstPool = 0x5000'0000'0000'0000;
// Beyond its release threshold a pool keeps at most this much for reuse, so that what one stream
// freed is not missed by the rest of the program.
constexpr uint64_t kKeptBytesMax = 64_MiB;
// Addresses are given out in these steps, so sizes are compared in them.
constexpr uint64_t kStepBytes = 512;

bool IsDeviceMemory(const CUmemLocation* location, CUmemAllocationType type) {
  return location != nullptr && location->type == CU_MEM_LOCATION_TYPE_DEVICE &&
         type == CU_MEM_ALLOCATION_TYPE_PINNED;
}

template <typename T>
T Read(const void* value) {
  T read;
  memcpy(&read, value, sizeof read);
  return read;
}

template <typename T>
CUresult Write(void* value, T written) {
  memcpy(value, &written, sizeof written);
  return CUDA_SUCCESS;
}

}  // namespace

bool MemoryPools::IsDevice(int32_t device) const {
  return session_.HasDevice(device);
}

uint64_t MemoryPools::Mint(State& state, int32_t device) {
  // Where a handle has its server, so that the numbers of two servers differ, too.
  const uint64_t server = uint64_t{session_.number()} * wire::kServerGenerations << 32;
  const uint64_t made = kFirstPool + server + ++state.minted;
  state.pools[made].device = device;
  return made;
}

uint64_t MemoryPools::DefaultOf(State& state, int32_t device) {
  const auto [where, added] = state.defaults.try_emplace(device, 0);
  if (added) {
    where->second = Mint(state, device);
  }
  return where->second;
}

uint64_t MemoryPools::CurrentOf(State& state, int32_t device) {
  const auto set = state.currents.find(device);
  return set == state.currents.end() ? DefaultOf(state, device) : set->second;
}

MemoryPools::Pool* MemoryPools::Find(State& state, uint64_t pool) {
  const auto found = state.pools.find(pool);
  return found == state.pools.end() || found->second.destroyed ? nullptr : &found->second;
}

CUresult MemoryPools::Default(int32_t device, uint64_t* pool) {
  *pool = state_.With([&](State& state) { return DefaultOf(state, device); });
  return CUDA_SUCCESS;
}

CUresult MemoryPools::Current(int32_t device, uint64_t* pool) {
  *pool = state_.With([&](State& state) { return CurrentOf(state, device); });
  return CUDA_SUCCESS;
}

CUresult MemoryPools::SetCurrent(int32_t device, CUmemoryPool pool) {
  return state_.With([&](State& state) {
    const Pool* found = Find(state, ToWire(pool));
    if (found == nullptr || found->device != device || found->imported) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    state.currents[device] = ToWire(pool);
    return CUDA_SUCCESS;
  });
}

CUresult MemoryPools::DeviceOf(CUmemoryPool pool, int32_t* device) {
  return state_.With([&](State& state) {
    const Pool* found = Find(state, ToWire(pool));
    *device = found == nullptr ? 0 : found->device;
    return found == nullptr ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
  });
}

CUresult MemoryPools::DeviceAt(const CUmemLocation* location,
                               CUmemAllocationType type,
                               int32_t* device) const {
  if (!IsDeviceMemory(location, type)) {
    return Missing("a memory pool that is not of a device");
  }
  *device = location->id;
  return IsDevice(*device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult MemoryPools::Default(const CUmemLocation* location,
                              CUmemAllocationType type,
                              uint64_t* pool) {
  int32_t device = 0;
  const CUresult result = DeviceAt(location, type, &device);
  return result == CUDA_SUCCESS ? Default(device, pool) : result;
}

CUresult MemoryPools::Current(const CUmemLocation* location,
                              CUmemAllocationType type,
                              uint64_t* pool) {
  int32_t device = 0;
  const CUresult result = DeviceAt(location, type, &device);
  return result == CUDA_SUCCESS ? Current(device, pool) : result;
}

CUresult MemoryPools::SetCurrent(const CUmemLocation* location,
                                 CUmemAllocationType type,
                                 CUmemoryPool pool) {
  int32_t device = 0;
  const CUresult result = DeviceAt(location, type, &device);
  return result == CUDA_SUCCESS ? SetCurrent(device, pool) : result;
}

CUresult MemoryPools::Create(const CUmemPoolProps* properties, uint64_t* pool) {
  int32_t device = 0;
  const CUresult result = DeviceAt(&properties->location, properties->allocType, &device);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  const bool for_others = properties->handleTypes == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  if (properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE && !for_others) {
    return Missing("cuMemPoolCreate with handles that are no descriptors");
  }
  *pool = state_.With([&](State& state) {
    const uint64_t made = Mint(state, device);
    state.pools[made].bytes_max = properties->maxSize;
    state.pools[made].for_others = for_others;
    return made;
  });
  return CUDA_SUCCESS;
}

CUresult MemoryPools::Destroy(CUmemoryPool pool) {
  int32_t device = 0;
  std::vector<uint64_t> unused;
  const bool known = state_.With([&](State& state) {
    Pool* found = Find(state, ToWire(pool));
    if (found == nullptr || DefaultOf(state, found->device) == ToWire(pool)) {
      return false;  // a default pool lives as long as its device
    }
    device = found->device;
    unused = TakeKept(state, *found, 0);
    found->destroyed = true;
    if (CurrentOf(state, device) == ToWire(pool)) {
      state.currents.erase(device);
    }
    Drop(state, ToWire(pool));
    return true;
  });
  GiveBack(device, unused);
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Forgets a pool that is destroyed and of which nothing is left.
void MemoryPools::Drop(State& state, uint64_t pool) {
  const auto found = state.pools.find(pool);
  if (found != state.pools.end() && found->second.destroyed && found->second.used_bytes == 0) {
    state.pools.erase(found);
  }
}

void MemoryPools::NoteUse(Pool& pool, uint64_t bytes) {
  pool.used_bytes += bytes;
  pool.used_bytes_high = std::max(pool.used_bytes_high, pool.used_bytes);
  pool.held_bytes_high = std::max(pool.held_bytes_high, pool.held_bytes());
}

// The smallest block that this stream freed and that is large enough without being twice as large,
// or a chunk larger, which others could have; 0 if there is none. `wanted` grows to what the block
// has.
uint64_t MemoryPools::Reuse(State& state, uint64_t stream, Allocation* wanted) {
  Pool& pool = state.pools[wanted->pool];
  const auto of_stream = pool.kept.find(stream);
  if (of_stream == pool.kept.end()) {
    return 0;
  }
  Blocks& blocks = of_stream->second;
  const auto block = blocks.lower_bound(wanted->bytes);
  if (block == blocks.end() || block->first / 2 > wanted->bytes ||
      block->first - wanted->bytes >= Arena::kChunkBytes) {
    return 0;
  }
  const auto [bytes, address] = *block;
  wanted->bytes = bytes;
  pool.kept_bytes -= bytes;
  state.kept.erase(address);
  blocks.erase(block);
  if (blocks.empty()) {
    pool.kept.erase(of_stream);
  }
  state.allocations[address] = *wanted;
  return address;
}

CUresult MemoryPools::Allocate(CUmemoryPool pool,
                               int32_t device,
                               wire::Handle context,
                               CUstream stream,
                               uint64_t bytes,
                               uint64_t* address) {
  if (bytes == 0 || bytes > UINT64_MAX / 2) {
    return bytes == 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
  }
  any_.store(true, std::memory_order_relaxed);
  Allocation made{.pool = ToWire(pool), .bytes = RoundUp(bytes, kStepBytes)};
  uint64_t found_at = 0;
  const CUresult possible = state_.With([&](State& state) {
    made.pool = pool == nullptr ? CurrentOf(state, device) : made.pool;
    Pool* found = Find(state, made.pool);
    if (found == nullptr || found->imported) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    device = found->device;
    if (found->bytes_max != 0 && found->used_bytes + made.bytes > found->bytes_max) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    found_at = Reuse(state, ToWire(stream), &made);
    NoteUse(*found, made.bytes);  // also of what is still to come, so that two do not pass a limit
    return CUDA_SUCCESS;
  });
  if (possible != CUDA_SUCCESS || found_at != 0) {
    *address = found_at;
    return possible;
  }
  const CUresult result = session_.memory(device).Allocate(made.bytes, context, address);
  state_.With([&](State& state) {
    if (result == CUDA_SUCCESS) {
      state.allocations[*address] = made;
    } else {
      state.pools[made.pool].used_bytes -= made.bytes;
      Drop(state, made.pool);
    }
  });
  return result;
}

CUresult MemoryPools::Free(CUdeviceptr address, CUstream stream) {
  const int32_t device = session_.DeviceOfAddress(address);
  if (device < 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  enum class Fate { kKept, kFree, kRefused };
  const Fate fate = state_.With([&](State& state) {
    if (state.kept.contains(address)) {
      return Fate::kRefused;  // freed already
    }
    const auto found = state.allocations.find(address);
    if (found == state.allocations.end()) {
      return Fate::kFree;
    }
    const Allocation allocation = found->second;
    state.allocations.erase(found);
    Pool& pool = state.pools[allocation.pool];
    pool.used_bytes -= allocation.bytes;
    const uint64_t most = std::max(kKeptBytesMax, pool.release_threshold);
    if (pool.destroyed || pool.held_bytes() + allocation.bytes > most) {
      Drop(state, allocation.pool);
      return Fate::kFree;
    }
    pool.kept[ToWire(stream)].emplace(allocation.bytes, address);
    pool.kept_bytes += allocation.bytes;
    state.kept[address] = allocation.pool;
    return Fate::kKept;
  });
  if (fate == Fate::kFree) {
    return session_.memory(device).Free(address);
  }
  if (fate == Fate::kKept) {
    session_.memory(device).NoteKept();
  }
  return fate == Fate::kKept ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool MemoryPools::Release(uint64_t address) {
  return state_.With([&](State& state) {
    const auto found = state.allocations.find(address);
    if (found != state.allocations.end()) {
      state.pools[found->second.pool].used_bytes -= found->second.bytes;
      Drop(state, found->second.pool);
      state.allocations.erase(found);
    }
    return !state.kept.contains(address);
  });
}

void MemoryPools::Forget(uint64_t address) {
  if (Release(address)) {
    return;
  }
  state_.With([&](State& state) {
    Pool& pool = state.pools[state.kept[address]];
    state.kept.erase(address);
    for (auto& [stream, blocks] : pool.kept) {
      const auto block = std::find_if(blocks.begin(), blocks.end(),
                                      [address](const auto& one) { return one.second == address; });
      if (block != blocks.end()) {
        pool.kept_bytes -= block->first;
        blocks.erase(block);
        return;
      }
    }
  });
}

std::vector<uint64_t> MemoryPools::TakeKept(State& state, Pool& pool, uint64_t keep_bytes) {
  std::vector<uint64_t> taken;
  for (auto& [stream, blocks] : pool.kept) {
    while (!blocks.empty() && pool.held_bytes() > keep_bytes) {
      const auto largest = std::prev(blocks.end());
      taken.push_back(largest->second);
      state.kept.erase(largest->second);
      pool.kept_bytes -= largest->first;
      blocks.erase(largest);
    }
  }
  std::erase_if(pool.kept, [](const auto& of_stream) { return of_stream.second.empty(); });
  return taken;
}

void MemoryPools::GiveBack(int32_t device, const std::vector<uint64_t>& addresses) {
  for (const uint64_t address : addresses) {
    // Fails only for memory whose context is gone, and which went with it.
    static_cast<void>(session_.memory(device).Free(address));
  }
}

CUresult MemoryPools::Trim(CUmemoryPool pool, uint64_t keep_bytes) {
  int32_t device = 0;
  std::vector<uint64_t> unused;
  const bool known = state_.With([&](State& state) {
    Pool* found = Find(state, ToWire(pool));
    if (found == nullptr) {
      return false;
    }
    device = found->device;
    unused = TakeKept(state, *found, keep_bytes);
    return true;
  });
  GiveBack(device, unused);
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool MemoryPools::TrimAll(int32_t device) {
  std::vector<uint64_t> unused;
  state_.With([&](State& state) {
    for (auto& [handle, pool] : state.pools) {
      if (pool.device == device) {
        const std::vector<uint64_t> taken = TakeKept(state, pool, 0);
        unused.insert(unused.end(), taken.begin(), taken.end());
      }
    }
  });
  GiveBack(device, unused);
  return !unused.empty();
}

CUresult MemoryPools::SetAttribute(CUmemoryPool pool,
                                   CUmemPool_attribute attribute,
                                   const void* value) {
  return state_.With([&](State& state) {
    Pool* found = Find(state, ToWire(pool));
    if (found == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    switch (attribute) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        found->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES] =
            Read<int>(value) != 0 ? 1 : 0;
        return CUDA_SUCCESS;
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        found->release_threshold = Read<cuuint64_t>(value);
        return CUDA_SUCCESS;
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        if (Read<cuuint64_t>(value) != 0) {
          return CUDA_ERROR_INVALID_VALUE;  // a high mark can be forgotten, not invented
        }
        (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH ? found->used_bytes_high
                                                    : found->held_bytes_high) = 0;
        return CUDA_SUCCESS;
      default:
        return CUDA_ERROR_INVALID_VALUE;
    }
  });
}

CUresult MemoryPools::GetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value) {
  return state_.With([&](State& state) {
    const Pool* found = Find(state, ToWire(pool));
    if (found == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    switch (attribute) {
      case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
      case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
        return Write(value,
                     found->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES]);
      case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        return Write<cuuint64_t>(value, found->release_threshold);
      case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
        return Write<cuuint64_t>(value, found->held_bytes());
      case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
        return Write<cuuint64_t>(value, std::max(found->held_bytes_high, found->held_bytes()));
      case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        return Write<cuuint64_t>(value, found->used_bytes);
      case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        return Write<cuuint64_t>(value, std::max(found->used_bytes_high, found->used_bytes));
    }
    return CUDA_ERROR_INVALID_VALUE;
  });
}

// ---- other devices

CUresult MemoryPools::CheckAccess(int32_t owner, const CUmemAccessDesc& wanted) const {
  const int32_t device = wanted.location.id;
  if (wanted.location.type != CU_MEM_LOCATION_TYPE_DEVICE || !IsDevice(device)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (wanted.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE && device != owner) {
    int reachable = 0;
    const CUresult result = cuDeviceCanAccessPeer(&reachable, device, owner);
    return result != CUDA_SUCCESS || reachable != 0 ? result : CUDA_ERROR_INVALID_DEVICE;
  }
  if (wanted.flags == CU_MEM_ACCESS_FLAGS_PROT_READ) {
    return Missing("a memory pool that another device may only read");
  }
  // Its own device may not be shut out.
  const bool known = wanted.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE || device != owner;
  return known && (wanted.flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ||
                   wanted.flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
             ? CUDA_SUCCESS
             : CUDA_ERROR_INVALID_VALUE;
}

CUresult MemoryPools::OpenTo(uint64_t pool, int32_t owner, int32_t device, bool open) {
  bool imported = false;
  const bool changes = state_.With([&](State& state) {
    Pool* found = Find(state, pool);
    imported = found != nullptr && found->imported;
    return found != nullptr &&
           (open ? found->open_to.insert(device).second : found->open_to.erase(device) != 0);
  });
  // What was imported every device that can reach it may use anyway.
  if (!changes || imported) {
    return CUDA_SUCCESS;
  }
  const CUresult result =
      session_.Call(0, wire::DeviceAccess{.device = session_.device(owner).server_ordinal,
                                          .peer = session_.device(device).server_ordinal,
                                          .enable = open ? 1u : 0u});
  if (result != CUDA_SUCCESS && open) {
    state_.With([&](State& state) {
      if (Pool* found = Find(state, pool)) {
        found->open_to.erase(device);
      }
    });
  }
  return result;
}

CUresult MemoryPools::SetAccess(CUmemoryPool pool,
                                const CUmemAccessDesc* descriptions,
                                size_t count) {
  const std::optional<Facts> facts = FactsOf(ToWire(pool));
  if (!facts.has_value()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < count; ++i) {
    const CUresult result = CheckAccess(facts->device, descriptions[i]);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const int32_t device = descriptions[i].location.id;
    const bool open = descriptions[i].flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    const CUresult result =
        device == facts->device ? CUDA_SUCCESS : OpenTo(ToWire(pool), facts->device, device, open);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

CUresult MemoryPools::GetAccess(CUmemAccess_flags* flags,
                                CUmemoryPool pool,
                                const CUmemLocation* location) {
  return state_.With([&](State& state) {
    const Pool* found = Find(state, ToWire(pool));
    if (found == nullptr || location->type != CU_MEM_LOCATION_TYPE_DEVICE ||
        !IsDevice(location->id)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    *flags = location->id == found->device || found->open_to.contains(location->id)
                 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
                 : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return CUDA_SUCCESS;
  });
}

// ---- other processes

uint64_t MemoryPools::AddImported(int32_t device, uint64_t serial) {
  return state_.With([&](State& state) {
    const uint64_t made = Mint(state, device);
    Pool& pool = state.pools[made];
    pool.imported = true;
    pool.serial = serial;
    return made;
  });
}

std::optional<MemoryPools::Facts> MemoryPools::FactsOf(uint64_t pool) {
  return state_.With([&](State& state) -> std::optional<Facts> {
    const Pool* found = Find(state, pool);
    return found == nullptr ? std::nullopt
                            : std::optional(Facts{.device = found->device,
                                                  .for_others = found->for_others,
                                                  .imported = found->imported,
                                                  .serial = found->serial});
  });
}

uint64_t MemoryPools::NameAs(uint64_t pool, uint64_t serial) {
  return state_.With([&](State& state) {
    Pool* found = Find(state, pool);
    if (found != nullptr && found->serial == 0) {
      found->serial = serial;
    }
    return found == nullptr ? 0 : found->serial;
  });
}

uint64_t MemoryPools::PoolOf(uint64_t address) {
  return state_.With([&](State& state) {
    const auto found = state.allocations.find(address);
    return found == state.allocations.end() ? 0 : found->second.pool;
  });
}

}  // namespace farlane::shim
