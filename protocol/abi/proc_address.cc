// SPDX-License-Identifier: Apache-2.0
#include "protocol/abi/proc_address.h"

#include <algorithm>
#include <string_view>

#include "protocol/abi/proc_table.h"

namespace farlane::abi {
namespace {

// The newest entry of the rows that is old enough; a per-thread twin comes before the plain one.
const ProcEntry* Choose(std::span<const ProcEntry> rows, int cuda_version, bool per_thread) {
  const ProcEntry* chosen = nullptr;
  for (const ProcEntry& row : rows) {
    if (row.since > cuda_version || (row.per_thread && !per_thread)) {
      continue;
    }
    if (chosen == nullptr || row.per_thread > chosen->per_thread ||
        (row.per_thread == chosen->per_thread && row.since > chosen->since)) {
      chosen = &row;
    }
  }
  return chosen;
}

}  // namespace

CUresult FindProcAddress(std::span<void* const> functions,
                         const char* name,
                         void** function,
                         int cuda_version,
                         cuuint64_t flags,
                         CUdriverProcAddressQueryResult* status) {
  constexpr cuuint64_t kKnownFlags =
      CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  if (name == nullptr || function == nullptr || (flags & ~kKnownFlags) != 0 ||
      flags == kKnownFlags) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *function = nullptr;
  const auto [first, last] =
      std::equal_range(kProcTable.begin(), kProcTable.end(), ProcEntry{name, 0, false, 0},
                       [](const ProcEntry& a, const ProcEntry& b) { return a.base < b.base; });
  const ProcEntry* chosen = Choose(std::span(first, last), cuda_version,
                                   (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0);
  if (chosen != nullptr && chosen->symbol < functions.size()) {
    *function = functions[chosen->symbol];
  }
  if (status == nullptr) {
    return *function != nullptr ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
  }
  const bool too_old = chosen == nullptr && first != last;
  *status = *function != nullptr ? CU_GET_PROC_ADDRESS_SUCCESS
            : too_old            ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                                 : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  return CUDA_SUCCESS;
}

}  // namespace farlane::abi
