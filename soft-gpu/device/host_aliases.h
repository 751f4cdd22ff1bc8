// SPDX-License-Identifier: Apache-2.0
// HostAliases gives memory that the program has registered a second place, in the device window,
// where kernels may reach it: the same pages, seen at two addresses. Private pages are moved into a
// file without a name first, so that they can be; shared ones are mapped once more. Nothing is
// moved before a program asks for the device's address, and what kernels can reach by it is the
// pages of that memory, no others.
#pragma once

#include <cstdint>
#include <map>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/address_space.h"

namespace farlane::soft {

// Thread: any, guarded.
class HostAliases {
 public:
  explicit HostAliases(AddressSpace* space) : space_(space) {}

  // Where kernels reach an address in registered memory. CUDA_ERROR_NOT_SUPPORTED for pages of a
  // kind that cannot be had twice.
  CUresult Find(const MemoryRange& registered, uint64_t address, uint64_t* alias);
  // The program's address of one in an alias; 0 if it is in none.
  uint64_t HostAddress(uint64_t alias) const;
  // Ends the alias of memory that is registered no more, if it has one. No work uses it.
  void Drop(uint64_t registered_base);

 private:
  struct Alias {
    uint64_t pages = 0;  // the program's, from the start of the first
    uint64_t size_bytes = 0;
    uint64_t base = 0;  // in the window
    Fd file;            // that they were moved into
  };

  using Aliases = std::map<uint64_t, Alias>;  // by the start of what was registered

  CUresult Make(const MemoryRange& registered, Alias* made);
  // Private memory again, if it is still what was moved and nothing else goes by it.
  void MoveBack(const Aliases& others, const Alias& alias) const;

  AddressSpace* const space_;
  Guarded<Aliases> aliases_;
};

}  // namespace farlane::soft
