// SPDX-License-Identifier: Apache-2.0
// HostMemory is memory of the program that devices know about. What it allocates lies in the device
// window, so kernels reach it at the program's own address; what the program registered stays where
// it is, outside the window, and kernels reach it at another address (HostAliases).
#pragma once

#include <cstdint>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/host_aliases.h"

namespace farlane::soft {

// Thread: any, guarded by the table.
class HostMemory {
 public:
  explicit HostMemory(AddressSpace* space) : space_(space) {}

  CUresult Allocate(uint64_t context, uint64_t size_bytes, uint32_t flags, uint64_t* address);
  CUresult Free(uint64_t address);
  CUresult Register(uint64_t context, uint64_t address, uint64_t size_bytes, uint32_t flags);
  CUresult Unregister(uint64_t address);

  HostAliases& aliases() { return aliases_; }

  // Frees and forgets all of a context.
  void FreeContext(uint64_t context);

 private:
  AddressSpace* space_;
  HostAliases aliases_{space_};
};

}  // namespace farlane::soft
