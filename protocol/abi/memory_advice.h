// SPDX-License-Identifier: Apache-2.0
// MemoryAdvice remembers what a program has advised about ranges of its managed memory and where it
// sent them last, so that it can be asked back. Advice never changes what is right, only what is
// fast.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"

namespace farlane::abi {

struct AddressRange {
  uint64_t address = 0;
  uint64_t bytes = 0;
};

// Thread: any, guarded.
class MemoryAdvice {
 public:
  // Memory that is new at these addresses has been told nothing yet.
  void Forget(const AddressRange& range);
  // CUDA_ERROR_INVALID_VALUE for what is no advice, or a location that there is not.
  CUresult Advise(const AddressRange& range, CUmem_advise advice, const CUmemLocation& location);
  CUresult NotePrefetch(const AddressRange& range, const CUmemLocation& location);
  // What holds for every byte of the range, in the manual's form: an int, or of devices as many as
  // there is room for.
  CUresult Tell(const AddressRange& range,
                CUmem_range_attribute attribute,
                void* data,
                size_t data_bytes) const;

  // A location as calls older than CUmemLocation say it.
  static CUmemLocation LocationOf(CUdevice device);

 private:
  struct Place {
    CUmemLocationType type = CU_MEM_LOCATION_TYPE_INVALID;
    int id = 0;

    bool operator==(const Place&) const = default;
  };

  struct Advice {
    bool read_mostly = false;
    Place preferred;
    Place prefetched;
    std::set<CUdevice> accessed_by;

    bool operator==(const Advice&) const = default;
  };

  struct Piece {
    uint64_t end = 0;
    Advice advice;
  };

  using Pieces = std::map<uint64_t, Piece>;  // by first address; they do not overlap

  static void SplitAt(Pieces& pieces, uint64_t address);
  template <typename Change>
  void ForEach(const AddressRange& range, const Change& change);
  Advice Common(const AddressRange& range) const;

  Guarded<Pieces> pieces_;
};

}  // namespace farlane::abi
