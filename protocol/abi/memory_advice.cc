// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/memory_advice.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace farlane::abi {
namespace {

bool IsPlace(const CUmemLocation& location) {
  switch (location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      return location.id >= 0;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
      return true;
    default:
      return false;
  }
}

// A place as a single number, as the older attributes give it.
int OldNumber(CUmemLocationType type, int id) {
  if (type == CU_MEM_LOCATION_TYPE_DEVICE) {
    return id;
  }
  return type == CU_MEM_LOCATION_TYPE_HOST ? CU_DEVICE_CPU : CU_DEVICE_INVALID;
}

CUresult GiveInt(int value, void* data, size_t data_bytes) {
  if (data_bytes != sizeof value) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  memcpy(data, &value, sizeof value);
  return CUDA_SUCCESS;
}

}  // namespace

CUmemLocation MemoryAdvice::LocationOf(CUdevice device) {
  CUmemLocation location{};
  location.type = device == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
  location.id = device == CU_DEVICE_CPU ? 0 : device;
  return location;
}

// Afterwards no piece lies on both sides of the address.
void MemoryAdvice::SplitAt(Pieces& pieces, uint64_t address) {
  auto behind = pieces.upper_bound(address);
  if (behind == pieces.begin()) {
    return;
  }
  const auto before = std::prev(behind);
  if (before->first < address && address < before->second.end) {
    pieces.emplace_hint(behind, address, before->second);
    before->second.end = address;
  }
}

// Calls change(advice) for all of the range, which is in pieces of its own then.
template <typename Change>
void MemoryAdvice::ForEach(const AddressRange& range, const Change& change) {
  const uint64_t end = range.address + range.bytes;
  pieces_.With([&](Pieces& pieces) {
    SplitAt(pieces, range.address);
    SplitAt(pieces, end);
    for (uint64_t at = range.address; at < end;) {
      auto piece = pieces.lower_bound(at);
      if (piece == pieces.end() || piece->first != at) {
        const uint64_t until = piece == pieces.end() ? end : std::min(end, piece->first);
        piece = pieces.emplace_hint(piece, at, Piece{.end = until, .advice = {}});
      }
      change(piece->second.advice);
      at = piece->second.end;
    }
  });
}

void MemoryAdvice::Forget(const AddressRange& range) {
  const uint64_t end = range.address + range.bytes;
  pieces_.With([&](Pieces& pieces) {
    SplitAt(pieces, range.address);
    SplitAt(pieces, end);
    pieces.erase(pieces.lower_bound(range.address), pieces.lower_bound(end));
  });
}

CUresult MemoryAdvice::Advise(const AddressRange& range,
                              CUmem_advise advice,
                              const CUmemLocation& location) {
  const bool is_about_place = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION ||
                              advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
                              advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
  if (advice < CU_MEM_ADVISE_SET_READ_MOSTLY || advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY ||
      (is_about_place && !IsPlace(location))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const CUdevice device =
      location.type == CU_MEM_LOCATION_TYPE_DEVICE ? location.id : CU_DEVICE_CPU;
  ForEach(range, [&](Advice& known) {
    switch (advice) {
      case CU_MEM_ADVISE_SET_READ_MOSTLY:
      case CU_MEM_ADVISE_UNSET_READ_MOSTLY:
        known.read_mostly = advice == CU_MEM_ADVISE_SET_READ_MOSTLY;
        break;
      case CU_MEM_ADVISE_SET_PREFERRED_LOCATION:
        known.preferred = {location.type, location.id};
        break;
      case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION:
        known.preferred = {};
        break;
      case CU_MEM_ADVISE_SET_ACCESSED_BY:
        known.accessed_by.insert(device);
        break;
      default:
        known.accessed_by.erase(device);
        break;
    }
  });
  return CUDA_SUCCESS;
}

CUresult MemoryAdvice::NotePrefetch(const AddressRange& range, const CUmemLocation& location) {
  if (!IsPlace(location)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  ForEach(range, [&location](Advice& known) { known.prefetched = {location.type, location.id}; });
  return CUDA_SUCCESS;
}

MemoryAdvice::Advice MemoryAdvice::Common(const AddressRange& range) const {
  const uint64_t end = range.address + range.bytes;
  return pieces_.With([&](const Pieces& pieces) {
    auto piece = pieces.upper_bound(range.address);
    if (piece != pieces.begin() && std::prev(piece)->second.end > range.address) {
      --piece;
    }
    if (piece == pieces.end() || piece->first > range.address) {
      return Advice{};  // the start of the range has been told nothing
    }
    Advice common = piece->second.advice;
    uint64_t at = piece->second.end;
    for (++piece; at < end; ++piece) {
      const bool told = piece != pieces.end() && piece->first == at;
      const Advice next = told ? piece->second.advice : Advice{};
      common.read_mostly = common.read_mostly && next.read_mostly;
      common.preferred = common.preferred == next.preferred ? common.preferred : Place{};
      common.prefetched = common.prefetched == next.prefetched ? common.prefetched : Place{};
      std::erase_if(common.accessed_by,
                    [&next](CUdevice one) { return next.accessed_by.count(one) == 0; });
      if (!told) {
        break;
      }
      at = piece->second.end;
    }
    return common;
  });
}

CUresult MemoryAdvice::Tell(const AddressRange& range,
                            CUmem_range_attribute attribute,
                            void* data,
                            size_t data_bytes) const {
  const Advice common = Common(range);
  switch (attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY:
      return GiveInt(common.read_mostly ? 1 : 0, data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
      return GiveInt(OldNumber(common.preferred.type, common.preferred.id), data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
      return GiveInt(common.preferred.type, data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
      return GiveInt(common.preferred.id, data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION:
      return GiveInt(OldNumber(common.prefetched.type, common.prefetched.id), data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE:
      return GiveInt(common.prefetched.type, data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID:
      return GiveInt(common.prefetched.id, data, data_bytes);
    case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY: {
      if (data_bytes == 0 || data_bytes % sizeof(int) != 0) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      auto next = common.accessed_by.begin();
      for (size_t i = 0; i < data_bytes / sizeof(int); ++i) {
        const int device = next == common.accessed_by.end() ? CU_DEVICE_INVALID : *next++;
        memcpy(static_cast<std::byte*>(data) + i * sizeof device, &device, sizeof device);
      }
      return CUDA_SUCCESS;
    }
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace farlane::abi
