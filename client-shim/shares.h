// SPDX-License-Identifier: Apache-2.0
// Shares is how processes of one session pass memory and events to each other: what a program
// carries from one to the other names it by a number that nobody can guess and that the server
// checks. Memory of another process lies at an address of our own, in whole chunks of the server:
// the program is shown only the allocation that was named.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "client-shim/arena.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// What the program passes on, as its 64 bytes; the form is ours alone.
struct ShareName {
  static constexpr uint64_t kMagic = 0x31656d616e656c66;  // of this layout

  enum class Kind : uint32_t { kMemory = 1, kPhysical = 2, kEvent = 3, kPool = 4, kPointer = 5 };

  uint64_t magic = kMagic;
  Kind kind = Kind::kMemory;
  int32_t device = 0;  // as the server counts them
  uint64_t token_high = 0;
  uint64_t token_low = 0;
  uint64_t chunks_bytes = 0;  // of the chunks around it
  uint64_t offset = 0;        // where it begins in them
  uint64_t bytes = 0;
  uint64_t serial = 0;  // of a pool, and of what comes out of it

  std::pair<uint64_t, uint64_t> token() const { return {token_high, token_low}; }
};

static_assert(sizeof(ShareName) == CU_IPC_HANDLE_SIZE);

// Thread: any, guarded.
class Shares {
 public:
  explicit Shares(Session& session) : session_(session) {}

  // The allocation that the address lies in.
  CUresult NameMemory(CUdeviceptr address, CUipcMemHandle* handle);
  // The same allocation has one address, and is closed as often as it was opened.
  CUresult OpenMemory(const CUipcMemHandle& handle, uint64_t* address);
  CUresult CloseMemory(CUdeviceptr address);

  CUresult NameEvent(CUevent event, CUipcEventHandle* handle);
  CUresult OpenEvent(const CUipcEventHandle& handle, wire::Handle context, uint64_t* event);

  // A pool, as such a descriptor: it says no more than whose allocations are to follow.
  CUresult ExportPool(CUmemoryPool pool, CUmemAllocationHandleType type, void* handle);
  CUresult ImportPool(void* handle, CUmemAllocationHandleType type, uint64_t* pool);
  CUresult ExportPointer(CUmemPoolPtrExportData* data, CUdeviceptr address);
  CUresult ImportPointer(CUmemoryPool pool, const CUmemPoolPtrExportData* data, uint64_t* address);
  // Frees what ImportPointer has opened; nothing if that is not where the address lies.
  std::optional<CUresult> FreeImported(CUdeviceptr address);

  // The program's own physical memory, as a descriptor that it can send to another process.
  CUresult Export(wire::Handle memory, CUmemAllocationHandleType type, void* handle);
  CUresult Import(void* handle, CUmemAllocationHandleType type, uint64_t* memory);

  // Whether the program may touch a mapped range: of a chunk that was opened only what was named.
  bool Allows(uint64_t address, uint64_t bytes);

  // Whether this process passed anything on or opened anything: others may look at its memory as
  // soon as a call has returned that promises that its work is done.
  bool any() const { return any_.load(std::memory_order_acquire); }

  // After a record of an event, or a wait for it, was posted: other processes may go by that as
  // soon as the call returns, and their commands come by other ways.
  CUresult AwaitIfShared(wire::Handle context, wire::Handle event);

  // The opened allocation around an address.
  std::optional<AddressRange> Find(uint64_t address);

 private:
  using Token = std::pair<uint64_t, uint64_t>;
  using Lock = std::lock_guard<std::mutex>;

  struct Opened {
    AddressRange range;        // what the program was given
    AddressRange reservation;  // whole chunks around it
    ShareName name;
    uint32_t times = 0;
  };

  CUresult NameAllocation(CUdeviceptr address, ShareName* name);
  CUresult Open(const ShareName& name, uint64_t* address);
  CUresult Close(CUdeviceptr address);
  std::optional<AddressRange> AllocationAround(uint64_t address);
  CUresult AskForName(int32_t device, AddressRange chunks, Token* token);
  CUresult MapShared(const ShareName& name, int32_t device, Opened* opened);
  CUresult OpenToDevices(AddressRange range, int32_t owner);

  Session& session_;
  std::mutex naming_;   // not Guarded: held while the server is asked, so that a thing has one name
  std::mutex opening_;  // not Guarded: the same for opening. Both before those of VirtualMemory
  std::map<std::pair<uint64_t, uint64_t>, Token> names_;  // by chunks: address and size
  std::set<Token> own_;
  std::atomic<bool> any_ = false;               // was named or opened, ever
  std::atomic<bool> any_opened_ = false;        // ever: until then nobody need look
  Guarded<std::map<uint64_t, Opened>> opened_;  // by the program's address
};

}  // namespace farlane::shim
