// SPDX-License-Identifier: Apache-2.0
// VirtualMemory keeps the books of the memory that the program maps by itself: address ranges that
// it reserved, physical memory that it created, and what is mapped where. They are the whole truth
// about it, so nearly all of it is answered here and only told to the server.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "client-shim/arena.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/wire/object_table.h"

namespace farlane::shim {

class Session;

// What the program mapped at an address.
struct MappedRange {
  AddressRange mapping;
  AddressRange reservation;
  int32_t device = 0;                           // whose memory it is
  std::map<int32_t, CUmemAccess_flags> access;  // by device; none where it is missing
};

// Thread: any, guarded. What it tells the server goes out in the order of the books.
class VirtualMemory {
 public:
  // `server`: of a program with several, the one whose memory this is.
  VirtualMemory(Session& session, uint32_t server)
      : session_(session), physicals_(wire::HandleKind::kPhysical, server) {}

  // A range in an arena: of the current context's device, if that has room. The hint is a wish.
  CUresult Reserve(uint64_t bytes, uint64_t align, uint64_t hint, uint64_t* address);
  CUresult FreeReservation(uint64_t address, uint64_t bytes);
  CUresult Create(uint64_t bytes, const CUmemAllocationProp& properties, uint64_t* handle);
  CUresult Release(wire::Handle handle);
  // Memory that another process of the session has shared.
  using Token = std::pair<uint64_t, uint64_t>;
  CUresult Import(int32_t device, uint64_t bytes, const Token& token, uint64_t* handle);
  // By what name others can import it, if it was made to be passed on; and what it is.
  CUresult NameOf(wire::Handle handle, int32_t* device, uint64_t* bytes, Token* token);
  CUresult Map(uint64_t address, uint64_t bytes, wire::Handle handle);
  // What is mapped in the range, which may be less than all of it, but no part of a mapping. Waits
  // first for the work that may still use the addresses.
  CUresult Unmap(uint64_t address, uint64_t bytes);
  CUresult SetAccess(uint64_t address, uint64_t bytes, const CUmemAccessDesc* wanted, size_t count);
  CUresult GetAccess(uint64_t address, const CUmemLocation& location, uint64_t* flags);
  CUresult Granularity(const CUmemAllocationProp& properties, uint64_t* bytes) const;
  CUresult Properties(wire::Handle handle, CUmemAllocationProp* properties);
  // Another reference to the memory that is mapped at the address.
  CUresult Retain(uint64_t address, uint64_t* handle);

  std::optional<MappedRange> Find(uint64_t address);
  // Whether something is mapped at all of a range, which may reach over several mappings.
  bool IsMapped(uint64_t address, uint64_t bytes);

 private:
  struct Reservation {
    uint64_t bytes = 0;
    int32_t device = 0;  // in whose arena it lies
  };

  struct Physical {
    int32_t device = 0;
    uint64_t bytes = 0;
    CUmemAllocationProp properties{};
    uint32_t references = 0;  // of the program; without any, the handle is unknown to it
    uint32_t mappings = 0;
    std::optional<Token> token;  // its name, once it has one
    bool imported = false;       // another process's
  };

  struct Mapping {
    uint64_t bytes = 0;
    wire::Handle physical = 0;
    std::map<int32_t, CUmemAccess_flags> access;
  };

  using Lock = std::lock_guard<std::mutex>;
  using Mappings = std::map<uint64_t, Mapping>;

  // Success if physical memory with these properties can be had.
  CUresult Check(const CUmemAllocationProp& properties) const;
  CUresult CheckAccess(uint64_t address, uint64_t bytes, const CUmemAccessDesc& wanted);
  Physical* FindHeld(wire::Handle handle);
  void ReleaseIfUnused(wire::Handle handle);
  Mappings::iterator MappingAround(uint64_t address);
  // The mappings that make up exactly the range, or nothing.
  std::vector<Mappings::iterator> Cover(uint64_t address, uint64_t bytes);
  // The mappings that lie in a reserved range. False if one of them reaches out of it, or the range
  // out of its reservation.
  bool Inside(uint64_t address, uint64_t bytes, std::vector<Mappings::iterator>* inside);
  std::map<uint64_t, Reservation>::iterator ReservationAround(uint64_t address);

  Session& session_;
  std::mutex mutex_;  // not Guarded: its iterators go around. Guards what follows; before those of
                      // DeviceMemory
  std::map<uint64_t, Reservation> reservations_;
  wire::ObjectTable<Physical> physicals_;
  Mappings mappings_;
};

}  // namespace farlane::shim
