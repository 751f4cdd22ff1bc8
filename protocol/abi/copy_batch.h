// SPDX-License-Identifier: Apache-2.0
// Batches of copies in one call: whether their description is sound, and what single copies they
// mean. Single copies in order are one of the orders that the manual allows for a batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

// A batch of runs of bytes. Attributes are for the copies from their start to the next one's.
// Thread: immutable.
struct CopyBatch {
  const CUdeviceptr* to = nullptr;
  const CUdeviceptr* from = nullptr;
  const size_t* bytes = nullptr;
  size_t count = 0;
  const CUmemcpyAttributes* attributes = nullptr;
  const size_t* attribute_starts = nullptr;
  size_t attribute_count = 0;

  bool IsSound() const;
};

// Whether the source has to have been read when the call returns.
inline bool ReadsDuringCall(CUmemcpySrcAccessOrder order) {
  return order == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
}

// Calls submit(to, from, bytes, during_call) for each copy of a sound batch until one is refused;
// `failed` is that one. Those before it are submitted.
template <typename F>
CUresult ForEachCopy(const CopyBatch& batch, size_t* failed, const F& submit) {
  size_t attribute = 0;
  for (size_t i = 0; i < batch.count; ++i) {
    while (attribute + 1 < batch.attribute_count && batch.attribute_starts[attribute + 1] <= i) {
      ++attribute;
    }
    const bool during_call = ReadsDuringCall(batch.attributes[attribute].srcAccessOrder);
    const CUresult result = submit(batch.to[i], batch.from[i], batch.bytes[i], during_call);
    if (result != CUDA_SUCCESS) {
      *failed = i;
      return result;
    }
  }
  return CUDA_SUCCESS;
}

// One copy of a batch of boxes in the form that single copies have. `texel_bytes_of` says how large
// an array's elements are, 0 for no array: a box with an array on either side is measured in its
// elements, all others in bytes.
CUresult DescribeBox(const CUDA_MEMCPY3D_BATCH_OP& operation,
                     const std::function<uint32_t(CUarray)>& texel_bytes_of,
                     CUDA_MEMCPY3D* copy);

}  // namespace farlane::abi
