// SPDX-License-Identifier: Apache-2.0
#include "client-shim/range_hints.h"

namespace farlane::shim {
namespace {

CUresult CheckPlace(const CurrentScope& scope, const CUmemLocation& location) {
  const bool is_device = location.type == CU_MEM_LOCATION_TYPE_DEVICE;
  return is_device && !scope.session().HasDevice(location.id) ? CUDA_ERROR_INVALID_DEVICE
                                                              : CUDA_SUCCESS;
}

CUresult CheckRanges(const CurrentScope& scope, const RangeBatch& batch, CUstream stream) {
  // The manual: batches are for streams that the program has made.
  if (stream == nullptr || batch.addresses == nullptr || batch.bytes == nullptr ||
      batch.count == 0 || batch.flags != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < batch.count; ++i) {
    if (!scope.IsManaged(batch.addresses[i], batch.bytes[i])) {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  return CUDA_SUCCESS;
}

bool HasPlaces(const RangeBatch& batch) {
  if (batch.places == nullptr || batch.place_starts == nullptr || batch.place_count == 0 ||
      batch.place_count > batch.count || batch.place_starts[0] != 0) {
    return false;
  }
  for (size_t i = 1; i < batch.place_count; ++i) {
    if (batch.place_starts[i] <= batch.place_starts[i - 1] ||
        batch.place_starts[i] >= batch.count) {
      return false;
    }
  }
  return true;
}

}  // namespace

CUresult Advise(const CurrentScope& scope,
                const abi::AddressRange& range,
                CUmem_advise advice,
                const CUmemLocation& location) {
  const bool is_about_place = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION ||
                              advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
                              advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
  const CUresult known = is_about_place ? CheckPlace(scope, location) : CUDA_SUCCESS;
  return known == CUDA_SUCCESS ? scope.session().objects().advice.Advise(range, advice, location)
                               : known;
}

CUresult NotePrefetch(const CurrentScope& scope,
                      const abi::AddressRange& range,
                      const CUmemLocation& location) {
  const CUresult known = CheckPlace(scope, location);
  return known == CUDA_SUCCESS ? scope.session().objects().advice.NotePrefetch(range, location)
                               : known;
}

CUresult Prefetch(const CurrentScope& scope, const RangeBatch& batch, CUstream stream) {
  CUresult result = CheckRanges(scope, batch, stream);
  if (result == CUDA_SUCCESS && !HasPlaces(batch)) {
    result = CUDA_ERROR_INVALID_VALUE;
  }
  size_t place = 0;
  for (size_t i = 0; i < batch.count && result == CUDA_SUCCESS; ++i) {
    while (place + 1 < batch.place_count && batch.place_starts[place + 1] <= i) {
      ++place;
    }
    result = NotePrefetch(scope, {batch.addresses[i], batch.bytes[i]}, batch.places[place]);
  }
  return result;
}

CUresult Discard(const CurrentScope& scope, const RangeBatch& batch, CUstream stream) {
  return CheckRanges(scope, batch, stream);
}

CUresult TellAll(const CurrentScope& scope,
                 const abi::AddressRange& range,
                 const RangeQuestions& questions) {
  if (questions.data == nullptr || questions.data_bytes == nullptr ||
      questions.attributes == nullptr || questions.count == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < questions.count; ++i) {
    const CUresult result =
        questions.data[i] == nullptr
            ? CUDA_ERROR_INVALID_VALUE
            : scope.session().objects().advice.Tell(range, questions.attributes[i],
                                                    questions.data[i], questions.data_bytes[i]);
    if (result != CUDA_SUCCESS) {
      return result;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
