// SPDX-License-Identifier: Apache-2.0
// Calls that stand for many others: batches of copies, and of operations on words of memory.
// Each becomes the single ones in order, so that every rule of those
// holds. The caller has made a scope and returns what these return.
#pragma once

#include <span>

#include "client-shim/call_scope.h"
#include "protocol/abi/copy_batch.h"

namespace farlane::shim {

// `failed_or_null` is told which copy was refused, SIZE_MAX where no single one is to blame.
CUresult CopyAll(const CallScope& scope,
                 const abi::CopyBatch& batch,
                 CUstream stream,
                 size_t* failed_or_null);

struct BoxBatch {
  const CUDA_MEMCPY3D_BATCH_OP* operations = nullptr;
  size_t count = 0;
  unsigned long long flags = 0;
};

CUresult CopyAllBoxes(const CallScope& scope,
                      const BoxBatch& batch,
                      CUstream stream,
                      size_t* failed_or_null);

// All or nothing: every one has been looked at before the first is sent.
CUresult RunMemoryOperations(const CallScope& scope,
                             CUstream stream,
                             std::span<CUstreamBatchMemOpParams> operations,
                             unsigned int flags);

}  // namespace farlane::shim
