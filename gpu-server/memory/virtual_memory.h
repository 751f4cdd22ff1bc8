// SPDX-License-Identifier: Apache-2.0
// VirtualMemory is the part of a client's memory that its program maps by itself: physical memory
// without an address, made out of the client's credit, and where in its arenas it is mapped. The
// addresses are lent by a DeviceMemory, so that the two never use the same.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "gpu-server/memory/device_memory.h"
#include "protocol/wire/handle.h"

namespace farlane::server {

// What cannot be meant is a breach. What conflicts with what there is, is CUDA_ERROR_INVALID_VALUE:
// a driver that refused a step before leaves honest clients in that place, too.
// Thread: one at a time (the dispatch thread).
class VirtualMemory {
 public:
  using Memories = std::vector<std::unique_ptr<DeviceMemory>>;

  // The devices' memories, which live longer.
  VirtualMemory(const DriverTable& driver, const Memories& memories)
      : driver_(driver), memories_(memories) {}

  VirtualMemory(const VirtualMemory&) = delete;
  VirtualMemory& operator=(const VirtualMemory&) = delete;
  // Unmaps everything.
  ~VirtualMemory();

  wire::WireError Create(wire::Handle handle, DeviceMemory* memory, uint64_t bytes);
  // Memory of another process, not out of this client's credit; `end` gives it up. False: the
  // handle is no new one.
  using End = std::function<void()>;
  bool Adopt(wire::Handle handle, DeviceMemory* memory, std::vector<ChunkHandle> chunks, End end);
  // What it is made of.
  wire::WireError ListChunks(wire::Handle handle,
                             DeviceMemory** memory,
                             std::vector<ChunkHandle>* chunks) const;
  // Once nothing of it is used, `end` does what becomes of it then. False: it is gone.
  bool ReplaceEnd(wire::Handle handle, End end);
  // The memory itself stays as long as something of it is mapped.
  wire::WireError Release(wire::Handle handle);
  // Zeroes what it has of chunks that nobody else has, as DeviceMemory::ZeroAll.
  CUresult ZeroAll() const;
  wire::WireError Map(AddressRange range, wire::Handle handle, CUresult* result);
  wire::WireError Unmap(AddressRange range, CUresult* result);
  wire::WireError SetAccess(AddressRange range,
                            CUdevice device,
                            CUmemAccess_flags flags,
                            CUresult* result);

 private:
  // Chunks that go back to the credit in the end, unless it is another. Thread: as above.
  struct Physical {
    Physical() = default;
    Physical(const Physical&) = delete;
    Physical& operator=(const Physical&) = delete;

    ~Physical() {
      if (end != nullptr) {
        end();
      } else {
        memory->ReturnChunks(chunks);
      }
    }

    DeviceMemory* memory = nullptr;
    std::vector<ChunkHandle> chunks;
    End end;
  };

  struct Mapping {
    uint64_t bytes = 0;
    DeviceMemory* lender = nullptr;      // whose arena it lies in; the memory may be another's
    std::shared_ptr<Physical> physical;  // shared by its handle and its mappings
  };

  using Mappings = std::map<uint64_t, Mapping>;

  CUresult MapChunks(AddressRange range, const Physical& physical);
  // Whether whole mappings, side by side, make up the range.
  bool IsCovered(AddressRange range) const;

  const DriverTable& driver_;
  const Memories& memories_;
  std::map<wire::Handle, std::shared_ptr<Physical>> physicals_;
  Mappings mappings_;
};

}  // namespace farlane::server
