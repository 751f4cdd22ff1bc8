// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/memory_pools.h"

namespace farlane::soft {

MemoryPools::MemoryPools(size_t devices) : devices_(devices) {
  state_.With([&](State& state) {
    for (size_t i = 0; i < devices; ++i) {
      state.pools[kFirst + i].device = static_cast<int>(i);
      state.currents.push_back(kFirst + i);
    }
    state.minted = devices;
  });
}

MemoryPool* MemoryPools::Find(State& state, uint64_t pool) {
  const auto found = state.pools.find(pool);
  return found == state.pools.end() || found->second.destroyed ? nullptr : &found->second;
}

uint64_t MemoryPools::Current(int device) const {
  return state_.With(
      [&](const State& state) { return state.currents[static_cast<size_t>(device)]; });
}

CUresult MemoryPools::SetCurrent(int device, uint64_t pool) {
  return state_.With([&](State& state) {
    const MemoryPool* found = Find(state, pool);
    if (found == nullptr || found->device != device || found->imported) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    state.currents[static_cast<size_t>(device)] = pool;
    return CUDA_SUCCESS;
  });
}

uint64_t MemoryPools::Create(int device, uint64_t bytes_max) {
  return state_.With([&](State& state) {
    const uint64_t made = kFirst + state.minted++;
    MemoryPool& pool = state.pools[made];
    pool.device = device;
    pool.bytes_max = bytes_max;
    return made;
  });
}

CUresult MemoryPools::Destroy(uint64_t pool) {
  return state_.With([&](State& state) {
    MemoryPool* found = Find(state, pool);
    if (found == nullptr || pool < kFirst + devices_) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    found->destroyed = true;
    uint64_t& current = state.currents[static_cast<size_t>(found->device)];
    current = current == pool ? Default(found->device) : current;
    GiveUp(state, pool, 0);
    return CUDA_SUCCESS;
  });
}

CUresult MemoryPools::Reserve(uint64_t pool, uint64_t bytes, int* device) {
  return With(pool, [&](MemoryPool& found) {
    if (found.imported) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (!found.HasRoom(bytes)) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    found.Add(bytes);
    *device = found.device;
    return CUDA_SUCCESS;
  });
}

uint64_t MemoryPools::Import(int device, uint64_t serial) {
  const uint64_t made = Create(device, 0);
  static_cast<void>(With(made, [serial](MemoryPool& pool) {
    pool.imported = true;
    pool.serial = serial;
    return CUDA_SUCCESS;
  }));
  return made;
}

uint64_t MemoryPools::PoolOf(uint64_t address) const {
  return state_.With([address](const State& state) {
    const auto found = state.allocations.find(address);
    return found == state.allocations.end() ? 0 : found->second.pool;
  });
}

std::vector<uint64_t> MemoryPools::AddressesOf(uint64_t pool) const {
  return state_.With([pool](const State& state) {
    std::vector<uint64_t> addresses;
    for (const auto& [address, allocation] : state.allocations) {
      if (allocation.pool == pool) {
        addresses.push_back(address);
      }
    }
    return addresses;
  });
}

void MemoryPools::Cancel(uint64_t pool, uint64_t bytes) {
  state_.With([&](State& state) { GiveUp(state, pool, bytes); });
}

void MemoryPools::NoteAllocation(uint64_t pool, uint64_t address, uint64_t bytes) {
  state_.With([&](State& state) {
    Allocation& allocation = state.allocations[address];
    if (allocation.pool != 0) {
      GiveUp(state, allocation.pool, allocation.bytes);  // went with its context
    }
    allocation = {.pool = pool, .bytes = bytes};
  });
}

void MemoryPools::NoteFree(uint64_t address) {
  state_.With([&](State& state) {
    const auto found = state.allocations.find(address);
    if (found != state.allocations.end()) {
      GiveUp(state, found->second.pool, found->second.bytes);
      state.allocations.erase(found);
    }
  });
}

// A destroyed pool is forgotten with its last byte.
void MemoryPools::GiveUp(State& state, uint64_t pool, uint64_t bytes) {
  const auto found = state.pools.find(pool);
  if (found == state.pools.end()) {
    return;
  }
  found->second.used_bytes -= bytes;
  if (found->second.destroyed && found->second.used_bytes == 0) {
    state.pools.erase(found);
  }
}

}  // namespace farlane::soft
