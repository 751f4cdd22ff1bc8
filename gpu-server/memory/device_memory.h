// SPDX-License-Identifier: Apache-2.0
// DeviceMemory is one client's memory on one device: the address range that the client gives
// addresses out of (the arena), and the physical chunks it has credit for. Which chunk backs which
// address is known here and nowhere else; memory without a Reservation is never created.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "gpu-server/memory/chunk_credit.h"
#include "gpu-server/memory/credit_source.h"
#include "gpu-server/memory/scrubber.h"
#include "protocol/base/result.h"
#include "protocol/wire/wire_error.h"

namespace farlane::server {

struct AddressRange {
  uint64_t address = 0;
  uint64_t bytes = 0;
};

// How often a client may decline an arena before allocation has to do without one.
inline constexpr uint32_t kArenaAttempts = 8;

// Thread: one at a time (the dispatch thread).
class DeviceMemory {
 public:
  // `devices_count` shares the address space; `ordinal` is the place of this device in it.
  DeviceMemory(const DriverTable& driver,
               CreditSource& source,
               DeviceQuota quota,
               CUdevice device,
               size_t ordinal,
               size_t devices_count);

  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  // Gives everything back to the driver.
  ~DeviceMemory();

  // From now on what a client gets of this memory is zero whatever the driver gives. `after`: and
  // so is what it gives back, see scrubs_after and ZeroAll. Before Open.
  void Scrub(bool after);

  // Null unless this memory is zeroed.
  const Scrubber* scrubber() const { return scrubber_.get(); }

  // Makes chunks for AddCredit. May take long: never on a dispatch thread. Thread: any.
  CUresult CreateClean(size_t count, std::vector<ChunkHandle>* chunks) const;

  // Reserves the arena and makes the first credit of what was granted. Where the driver gives
  // neither, both are empty.
  void Open(Reservation first);
  // Only the arena: for somebody who wants to know where it would be.
  void OpenArena();

  // Where the first addresses are; empty when the driver gave none.
  AddressRange arena() const { return spaces_.empty() ? AddressRange{} : spaces_.front().range; }

  uint64_t credit_bytes() const { return credit_.bytes(); }

  // Another arena, for a client that cannot use this one: attempts count from 1. Only before
  // anything is mapped.
  wire::WireError MoveArena(uint32_t attempt, CUresult* result);

  // More addresses, for a client that has used its arena up or has none in common with the driver.
  // Attempts count from 0; each but the first takes the space of the one before away again, in
  // which nothing may be mapped.
  wire::WireError AddSpace(uint32_t attempt, uint64_t bytes, CUresult* result, AddressRange* space);

  // Asking for credit has three steps, since the first two may take long: the source's Ask,
  // CreateClean anywhere, AddCredit here.
  void AddCredit(Reservation reservation, const std::vector<ChunkHandle>& chunks);

  // Gives credit back that backs nothing, in whole chunks; to say more than that is a breach.
  wire::WireError ReturnCredit(uint64_t bytes);

  // Whether what is given back is to be zeroed first: then it is taken out by TakeChunks, zeroed
  // anywhere, and given up by Forfeit.
  bool scrubs_after() const { return scrubs_after_; }

  // Zeroes all that the client has had and nobody else has: nothing of it must be in use any more.
  CUresult ZeroAll() const;

  // Backs whole chunks of the arena. What the client may not ask for is a breach; `result` is the
  // driver's.
  wire::WireError Map(AddressRange range, CUresult* result);
  wire::WireError Unmap(AddressRange range, CUresult* result);

  // Takes chunks out of the credit, for memory that has no address yet. False, and nothing has
  // changed, when there are not so many that back nothing.
  bool TakeChunks(uint64_t bytes, std::vector<ChunkHandle>* chunks);
  void ReturnChunks(const std::vector<ChunkHandle>& chunks);

  // What backs a range of whole chunks, all of which are backed; else it is a breach.
  wire::WireError ListChunks(AddressRange range, std::vector<ChunkHandle>* chunks) const;
  // Keeps these chunks where they are, for good: others use them. False if they are not there.
  bool Pin(AddressRange range, const std::vector<ChunkHandle>& chunks);
  // Does without chunks that it has taken out, and their credit.
  void Forfeit(const std::vector<ChunkHandle>& chunks);

  // Lends addresses of the arena for mappings that are kept elsewhere. False, and nothing has
  // changed, unless they are whole chunks at which nothing lies.
  bool LendAddresses(AddressRange range);
  void ReturnAddresses(AddressRange range);

  // Lets another device reach all of this memory, also what will be mapped later, or no longer.
  // What lies at lent addresses is opened by its own rules. Each true needs a false of its own.
  CUresult SetPeerAccess(CUdevice peer, bool may_access);

  // Whether all of a range is backed or lent.
  bool Owns(uint64_t address, uint64_t bytes) const;

  // What clients are told that the device has.
  uint64_t total_bytes() const { return quota_.total_bytes; }

  CUdevice device() const { return device_; }

  size_t ordinal() const { return ordinal_; }

 private:
  uint64_t ArenaBytes() const;

  // Addresses that were reserved in one piece.
  struct Space {
    AddressRange range;
    std::vector<ChunkHandle> backing;  // by chunk; 0 where there is none
    std::vector<bool> lent;            // by chunk: these addresses are mapped by somebody else
    std::vector<bool> pinned;          // by chunk: stays backed as it is
    size_t mapped_count = 0;
    size_t lent_count = 0;

    size_t IndexOf(uint64_t address) const { return (address - range.address) / kChunkBytes; }

    bool IsFree(size_t chunk) const { return backing[chunk] == 0 && !lent[chunk]; }

    bool IsUnused() const { return mapped_count == 0 && lent_count == 0; }
  };

  // More would be a client that asks for addresses and not for memory.
  static constexpr size_t kSpacesMax = 64;

  CUresult ReserveArena(uint64_t hint);
  CUresult ReserveSpace(uint64_t bytes, uint64_t hint);
  void FreeLastSpace();
  Space* SpaceOf(AddressRange range);
  const Space* SpaceOf(AddressRange range) const;
  static bool IsWholeChunks(AddressRange range);
  CUresult MapChunks(Space& space, size_t first, size_t count);
  void UnmapChunks(Space& space, size_t first, size_t count);
  void ForgetChunks(Space& space, size_t first, size_t count);
  CUresult OpenRange(AddressRange range);
  void NoteIdle();
  CUresult SetAccessIn(const Space& space, CUdevice peer, CUmemAccess_flags flags);
  CUresult SetAccessOfAll(CUdevice peer, CUmemAccess_flags flags);

  const DriverTable& driver_;
  CreditSource& source_;
  const DeviceQuota quota_;
  const CUdevice device_;
  const size_t ordinal_;
  const size_t devices_count_;
  std::unique_ptr<const Scrubber> scrubber_;
  bool scrubs_after_ = false;
  std::vector<Space> spaces_;  // the arena first
  Reservation credit_;
  std::vector<ChunkHandle> stock_;      // credit that backs nothing now
  std::map<CUdevice, uint32_t> peers_;  // other devices that may reach this memory, and how often
};

}  // namespace farlane::server
