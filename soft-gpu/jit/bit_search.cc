// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/jit/bit_search.h"

namespace farlane::soft::jit {

uint32_t FindNthSet(uint32_t mask, uint32_t base, int32_t offset) {
  constexpr uint32_t kNone = 0xffffffff;
  if (base > 31) {
    return kNone;
  }
  if (offset == 0) {
    return (mask >> base & 1) != 0 ? base : kNone;
  }
  const int step = offset > 0 ? 1 : -1;
  int64_t left = offset > 0 ? int64_t{offset} : -int64_t{offset};
  for (int position = static_cast<int>(base); position >= 0 && position < 32; position += step) {
    left -= mask >> position & 1;
    if (left == 0) {
      return static_cast<uint32_t>(position);
    }
  }
  return kNone;
}

std::span<const RuntimeFunction> BitFunctions() {
  static const RuntimeFunction functions[] = {
      {kFindNthSetFunction, reinterpret_cast<void*>(&FindNthSet)},
  };
  return functions;
}

}  // namespace farlane::soft::jit
