// SPDX-License-Identifier: Apache-2.0
// Hints about ranges of managed memory: where it should be, and what is no longer wanted. All of it
// is on both sides anyway, so a hint is checked and remembered, and changes nothing else.
#pragma once

#include "client-shim/object_scopes.h"
#include "protocol/abi/memory_advice.h"

namespace farlane::shim {

CUresult Advise(const CurrentScope& scope,
                const abi::AddressRange& range,
                CUmem_advise advice,
                const CUmemLocation& location);
CUresult NotePrefetch(const CurrentScope& scope,
                      const abi::AddressRange& range,
                      const CUmemLocation& location);

// Several ranges, and where they are sent: each place is for the ranges from its start to the next
// one's.
struct RangeBatch {
  const CUdeviceptr* addresses = nullptr;
  const size_t* bytes = nullptr;
  size_t count = 0;
  unsigned long long flags = 0;
  const CUmemLocation* places = nullptr;
  const size_t* place_starts = nullptr;
  size_t place_count = 0;
};

CUresult Prefetch(const CurrentScope& scope, const RangeBatch& batch, CUstream stream);
CUresult Discard(const CurrentScope& scope, const RangeBatch& batch, CUstream stream);

// Questions about one range, and where the answers go.
struct RangeQuestions {
  void* const* data = nullptr;
  const size_t* data_bytes = nullptr;
  const CUmem_range_attribute* attributes = nullptr;
  size_t count = 0;
};

CUresult TellAll(const CurrentScope& scope,
                 const abi::AddressRange& range,
                 const RangeQuestions& questions);

}  // namespace farlane::shim
