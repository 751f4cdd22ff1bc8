// SPDX-License-Identifier: Apache-2.0
// VirtualMemory keeps addresses and physical memory apart, as the driver's virtual memory calls do:
// a range is reserved, memory is created, mapped into it, and becomes accessible to the devices it
// is opened to. Each call demands exactly what the manual does; the hint of a reservation is only
// a wish.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/address_space.h"

namespace farlane::soft {

// Thread: any, guarded.
class VirtualMemory {
 public:
  explicit VirtualMemory(AddressSpace* space) : space_(space) {}

  CUresult Reserve(uint64_t size_bytes, uint64_t align_bytes, uint64_t hint, uint64_t* base);
  CUresult FreeReservation(uint64_t base, uint64_t size_bytes);
  CUresult Create(int device,
                  uint64_t size_bytes,
                  const CUmemAllocationProp& properties,
                  uint64_t* handle);
  CUresult Release(uint64_t handle);
  // A descriptor by which another process gets at the memory, and which keeps it meanwhile.
  CUresult Export(uint64_t handle, int* descriptor);
  // The memory behind such a descriptor, which stays the caller's.
  CUresult Import(int descriptor, uint64_t* handle);
  // Another reference to the memory that is mapped at `address`.
  CUresult Retain(uint64_t address, uint64_t* handle);
  CUresult Properties(uint64_t handle, CUmemAllocationProp* properties) const;
  CUresult Map(uint64_t base, uint64_t size_bytes, uint64_t offset_bytes, uint64_t handle);
  CUresult Unmap(uint64_t base, uint64_t size_bytes);
  CUresult SetAccess(uint64_t base, uint64_t size_bytes, int device, Access access);

  struct Reservation {
    uint64_t base = 0;
    uint64_t size_bytes = 0;
  };

  // The reserved range that an address lies in.
  std::optional<Reservation> ReservationAround(uint64_t address) const;

 private:
  struct Created {
    CUmemAllocationProp properties{};
    uint32_t references = 0;                        // of handles; 0: only mappings are left
    std::shared_ptr<PhysicalMemory> physical;       // while there are handles
    std::weak_ptr<PhysicalMemory> physical_mapped;  // while there are mappings
  };

  struct State {
    uint64_t handles_minted = 0;
    std::map<uint64_t, uint64_t> reservations;  // base -> size
    std::map<uint64_t, Created> created;        // by handle
  };

  static bool Reserved(const State& state, uint64_t base, uint64_t size_bytes);
  // The memory behind a handle that somebody still holds, or null.
  static const Created* Find(const State& state, uint64_t handle);
  // Forgets memory that neither handle nor mapping keeps alive any more.
  void Sweep(uint64_t handle);

  uint64_t Add(Created created);

  AddressSpace* space_;
  mutable Guarded<State> state_;
};

}  // namespace farlane::soft
