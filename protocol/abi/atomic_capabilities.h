// SPDX-License-Identifier: Apache-2.0
// What kinds of atomic operation two sides can do on each other's memory: between a program and a
// GPU of another machine, none.
#pragma once

#include <algorithm>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

inline CUresult TellNoAtomics(const CUatomicOperation* operations,
                              unsigned int count,
                              unsigned int* capabilities) {
  if (operations == nullptr || capabilities == nullptr || count == 0 ||
      std::any_of(operations, operations + count, [](CUatomicOperation one) {
        return one < CU_ATOMIC_OPERATION_INTEGER_ADD || one >= CU_ATOMIC_OPERATION_MAX;
      })) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::fill_n(capabilities, count, 0U);
  return CUDA_SUCCESS;
}

}  // namespace farlane::abi
