// SPDX-License-Identifier: Apache-2.0
// MemoryTable knows what lies at every address that a call may name: which allocation, of which
// kind and device, and who may touch it. Ranges never overlap.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "protocol/base/guarded.h"
#include "soft-gpu/device/config.h"
#include "soft-gpu/device/physical_memory.h"

namespace farlane::soft {

enum class MemoryKind : uint8_t {
  kDevice,      // cuMemAlloc
  kOpened,      // cuIpcOpenMemHandle: of another process
  kManaged,     // cuMemAllocManaged
  kGlobal,      // variables of a module
  kMapped,      // cuMemMap
  kArray,       // cuArrayCreate: has no address for the program
  kHost,        // cuMemHostAlloc
  kRegistered,  // cuMemHostRegister: memory of the program's own
  kAlias,       // where kernels reach that, see host_aliases.h
};

enum class Access : uint8_t { kNone = 0, kRead = 1, kReadWrite = 3 };

struct MemoryRange {
  uint64_t base = 0;
  uint64_t size_bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
  int device = 0;
  uint64_t context = 0;    // handle of the context it was made in; 0: of none
  uint64_t buffer_id = 0;  // never used twice
  uint32_t flags = 0;      // of the call that made it
  bool sync_copies = false;
  std::shared_ptr<PhysicalMemory> physical;  // null: not from a device
  uint64_t physical_offset_bytes = 0;
  uint64_t physical_handle = 0;              // of kMapped: what cuMemCreate gave
  std::array<Access, kDevicesMax> access{};  // of kMapped, per device

  bool host() const {
    return kind == MemoryKind::kHost || kind == MemoryKind::kRegistered ||
           kind == MemoryKind::kAlias;
  }

  uint64_t end() const { return base + size_bytes; }

  // What the range's pages allow: the most that any device may do.
  Access PageAccess() const;
};

// Thread: any, guarded.
class MemoryTable {
 public:
  // Gives the range its buffer_id. False if a part of it is taken.
  bool Insert(MemoryRange range);
  // Forgets the range that starts at `base`, if it is one of `kinds`.
  std::optional<MemoryRange> Take(uint64_t base, std::initializer_list<MemoryKind> kinds);
  // The range that `address` lies in.
  std::optional<MemoryRange> Find(uint64_t address) const;
  // Whether all of a range may be touched that way; it may reach over several neighbours.
  bool Allows(uint64_t address, uint64_t size_bytes, Access wanted) const;
  // Whether any part of it is known here.
  bool Touches(uint64_t address, uint64_t size_bytes) const;
  // The ranges that make up exactly [base, base + size), or nothing.
  std::vector<MemoryRange> Cover(uint64_t base, uint64_t size_bytes) const;
  // All ranges that begin or end in [base, base + size), or reach over it.
  std::vector<MemoryRange> Meeting(uint64_t base, uint64_t size_bytes) const;
  // Changes the range that starts at `base` in place; it must be there.
  void SetAccess(uint64_t base, int device, Access access);
  void SetSyncCopies(uint64_t address, bool on);
  std::vector<MemoryRange> OfContext(uint64_t context) const;
  // The range that `address` lies in, or else the one whose start or end is nearest.
  std::optional<MemoryRange> Nearest(uint64_t address) const;

  // Another number whenever a range was added or taken away.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  using Ranges = std::map<uint64_t, MemoryRange>;

  struct Table {
    uint64_t buffers = 0;
    Ranges ranges;
  };

  static Ranges::const_iterator At(const Ranges& ranges, uint64_t address);

  Guarded<Table> table_;
  std::atomic<uint64_t> version_{1};
};

}  // namespace farlane::soft
