// SPDX-License-Identifier: Apache-2.0
// MemoryPools knows every pool of the process, which of them a device's allocations come from, and
// which pool an address came from.
#pragma once

#include <map>
#include <vector>

#include "protocol/base/guarded.h"
#include "soft-gpu/device/memory_pool.h"

namespace farlane::soft {

// Thread: any, guarded.
class MemoryPools {
 public:
  explicit MemoryPools(size_t devices);

  // Devices are ones that exist.
  uint64_t Default(int device) const { return kFirst + static_cast<uint64_t>(device); }

  uint64_t Current(int device) const;
  // CUDA_ERROR_INVALID_VALUE for a pool that is none or another device's.
  CUresult SetCurrent(int device, uint64_t pool);
  uint64_t Create(int device, uint64_t bytes_max);
  // CUDA_ERROR_INVALID_VALUE for a pool that is none or a device's own.
  CUresult Destroy(uint64_t pool);

  // Counts bytes that are about to be allocated; says on which device.
  CUresult Reserve(uint64_t pool, uint64_t bytes, int* device);
  // One that another process shares.
  uint64_t Import(int device, uint64_t serial);
  // The pool that has given out an address; 0: none.
  uint64_t PoolOf(uint64_t address) const;
  // What it has given out, and has not back.
  std::vector<uint64_t> AddressesOf(uint64_t pool) const;

  // They were not to be had.
  void Cancel(uint64_t pool, uint64_t bytes);
  // They were, here.
  void NoteAllocation(uint64_t pool, uint64_t address, uint64_t bytes);
  // The address is free; nothing happens if no pool gave it out.
  void NoteFree(uint64_t address);

  // What `function` returns of the pool; CUDA_ERROR_INVALID_VALUE if there is none.
  template <typename Function>
  CUresult With(uint64_t pool, const Function& function) {
    return state_.With([&](State& state) {
      MemoryPool* found = Find(state, pool);
      return found == nullptr ? CUDA_ERROR_INVALID_VALUE : function(*found);
    });
  }

 private:
  static constexpr uint64_t kFirst = 0x5000'0000'0000'0000;

  struct Allocation {
    uint64_t pool = 0;
    uint64_t bytes = 0;
  };

  struct State {
    std::map<uint64_t, MemoryPool> pools;
    std::vector<uint64_t> currents;  // by device
    std::map<uint64_t, Allocation> allocations;
    uint64_t minted = 0;
  };

  static MemoryPool* Find(State& state, uint64_t pool);
  static void GiveUp(State& state, uint64_t pool, uint64_t bytes);

  const size_t devices_;
  Guarded<State> state_;
};

}  // namespace farlane::soft
