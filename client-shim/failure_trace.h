// SPDX-License-Identifier: Apache-2.0
// Every call that does not succeed is noted in the error log, which the program may read
// (protocol/abi/error_log.h). With FARLANE_TRACE=errors it is named on stderr, too, so that one
// sees what a program or a library was refused before it gave up. Costs a call that succeeds
// nothing but the comparison.
#pragma once

#include "protocol/abi/cuda_abi.h"

namespace farlane::shim {

// Not ready is an answer, not a failure, and not told.
void TellFailure(const char* symbol, CUresult result);

// Every exported function goes through here; `call` is its body.
template <typename Call>
inline CUresult WithFailureTold(const char* symbol, const Call& call) {
  const CUresult result = call();
  if (result != CUDA_SUCCESS) [[unlikely]] {
    TellFailure(symbol, result);
  }
  return result;
}

}  // namespace farlane::shim
