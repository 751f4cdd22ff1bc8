// SPDX-License-Identifier: Apache-2.0
// OpenedMemory is allocations of other processes that this one has opened by their handles. It
// takes in the frames around them, and shows programs only the allocation.
#pragma once

#include <cstdint>
#include <map>

#include "protocol/abi/cuda_abi.h"
#include "soft-gpu/device/address_space.h"

namespace farlane::soft {

// Thread: any, guarded.
class OpenedMemory {
 public:
  explicit OpenedMemory(AddressSpace* space) : space_(space) {}

  // By what handle other processes can open the allocation around an address. `pool` is the serial
  // of the memory pool that it comes from; 0: of none.
  CUresult Name(uint64_t address, uint64_t pool, CUipcMemHandle* handle);
  // The same handle has one address in a context, and is closed as often as it was opened.
  CUresult Open(const CUipcMemHandle& handle, uint64_t pool, uint64_t context, uint64_t* address);
  CUresult Close(uint64_t address, bool of_pool);
  void ForgetContext(uint64_t context);

 private:
  // What a handle holds. Plain bytes.
  struct HandleBytes {
    uint64_t magic;
    uint32_t device;
    uint32_t first_frame;
    uint32_t serial;
    uint32_t reserved;
    uint64_t offset_bytes;
    uint64_t size_bytes;
    uint64_t pool;
    uint64_t unused[2];
  };

  static_assert(sizeof(HandleBytes) == CU_IPC_HANDLE_SIZE);

  struct Opened {
    HandleBytes name;
    uint64_t context = 0;
    uint32_t times = 0;
  };

  using All = std::map<uint64_t, Opened>;  // by address

  CUresult Map(const HandleBytes& name, uint64_t context, uint64_t* address);
  void Unmap(uint64_t address);

  AddressSpace* space_;
  Guarded<All> opened_;
};

}  // namespace farlane::soft
