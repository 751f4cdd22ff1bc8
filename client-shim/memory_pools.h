// SPDX-License-Identifier: Apache-2.0
// MemoryPools is stream-ordered allocation (cuMemAllocAsync and its kin), kept by the client: the
// server's driver knows of no pools. An address is valid at once, which is more than stream order
// promises. What a stream frees, the same stream may get again at once, since all it does later
// comes later; everybody else gets it once no work can reach it any more, by DeviceMemory's rule.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Thread: any, guarded. The lock is never held while device memory is asked for or given back.
class MemoryPools {
 public:
  explicit MemoryPools(Session& session) : session_(session) {}

  // The pool that a device has from the start.
  CUresult Default(int32_t device, uint64_t* pool);
  // The one that allocations without a pool come from: the default one unless set otherwise.
  CUresult Current(int32_t device, uint64_t* pool);
  CUresult SetCurrent(int32_t device, CUmemoryPool pool);
  CUresult DeviceOf(CUmemoryPool pool, int32_t* device);
  // The same by location, as CUDA 13 asks; only memory of devices has pools.
  CUresult Default(const CUmemLocation* location, CUmemAllocationType type, uint64_t* pool);
  CUresult Current(const CUmemLocation* location, CUmemAllocationType type, uint64_t* pool);
  CUresult SetCurrent(const CUmemLocation* location, CUmemAllocationType type, CUmemoryPool pool);

  CUresult Create(const CUmemPoolProps* properties, uint64_t* pool);
  // What is allocated from it stays, and goes with its last free.
  CUresult Destroy(CUmemoryPool pool);

  // From a pool, or with null from the device's current one.
  CUresult Allocate(CUmemoryPool pool,
                    int32_t device,
                    wire::Handle context,
                    CUstream stream,
                    uint64_t bytes,
                    uint64_t* address);
  // Also of memory that no pool gave out, as CUDA allows.
  CUresult Free(CUdeviceptr address, CUstream stream);
  // An address is about to be freed by other means; false if it was freed to a pool already.
  bool Release(uint64_t address);
  // The memory is gone with its context.
  void Forget(uint64_t address);

  // Whether any pool ever gave out memory: until then nobody need ask.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  // Gives back what is kept for reuse, down to so many bytes held.
  CUresult Trim(CUmemoryPool pool, uint64_t keep_bytes);
  // Of all pools of a device; true if anything was given back.
  bool TrimAll(int32_t device);

  CUresult SetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, const void* value);
  CUresult GetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* value);
  // A pool that another process shares: it gives out nothing here.
  uint64_t AddImported(int32_t device, uint64_t serial);

  // What sharing needs to know of a pool.
  struct Facts {
    int32_t device = 0;
    bool for_others = false;  // made to be shared
    bool imported = false;
    uint64_t serial = 0;  // of its name; 0: it has none yet
  };

  std::optional<Facts> FactsOf(uint64_t pool);
  // Keeps the serial of a pool's name, unless it has one: which it has then.
  uint64_t NameAs(uint64_t pool, uint64_t serial);
  // The pool that has given out an address; 0: none.
  uint64_t PoolOf(uint64_t address);

  // A pool's memory can always be reached from its own device. Opened to another, all of this
  // client's memory is.
  CUresult SetAccess(CUmemoryPool pool, const CUmemAccessDesc* descriptions, size_t count);
  CUresult GetAccess(CUmemAccess_flags* flags, CUmemoryPool pool, const CUmemLocation* location);

 private:
  using Blocks = std::multimap<uint64_t, uint64_t>;  // bytes -> address

  struct Pool {
    int32_t device = 0;
    bool destroyed = false;
    uint64_t bytes_max = 0;  // 0: no limit of its own
    uint64_t release_threshold = 0;
    int reuse[3] = {1, 1, 1};
    bool for_others = false;
    bool imported = false;
    uint64_t serial = 0;
    std::set<int32_t> open_to{};  // devices beside its own
    uint64_t used_bytes = 0;
    uint64_t used_bytes_high = 0;
    uint64_t kept_bytes = 0;
    uint64_t held_bytes_high = 0;
    std::map<uint64_t, Blocks> kept;  // by the stream that freed them

    uint64_t held_bytes() const { return used_bytes + kept_bytes; }
  };

  struct Allocation {
    uint64_t pool = 0;
    uint64_t bytes = 0;
  };

  struct State {
    uint64_t minted = 0;
    std::map<uint64_t, Pool> pools;
    std::map<int32_t, uint64_t> defaults;
    std::map<int32_t, uint64_t> currents;
    std::map<uint64_t, Allocation> allocations;  // by address
    std::map<uint64_t, uint64_t> kept;           // address -> pool, of what is kept for reuse
  };

  uint64_t Mint(State& state, int32_t device);
  uint64_t DefaultOf(State& state, int32_t device);
  uint64_t CurrentOf(State& state, int32_t device);
  static Pool* Find(State& state, uint64_t pool);
  static void NoteUse(Pool& pool, uint64_t bytes);
  static uint64_t Reuse(State& state, uint64_t stream, Allocation* wanted);
  static void Drop(State& state, uint64_t pool);
  static std::vector<uint64_t> TakeKept(State& state, Pool& pool, uint64_t keep_bytes);
  bool IsDevice(int32_t device) const;
  CUresult CheckAccess(int32_t owner, const CUmemAccessDesc& wanted) const;
  CUresult OpenTo(uint64_t pool, int32_t owner, int32_t device, bool open);
  CUresult DeviceAt(const CUmemLocation* location, CUmemAllocationType type, int32_t* device) const;
  void GiveBack(int32_t device, const std::vector<uint64_t>& addresses);

  Session& session_;
  std::atomic<bool> any_ = false;
  Guarded<State> state_;
};

}  // namespace farlane::shim
