// SPDX-License-Identifier: Apache-2.0
// CopyText gives a text to a program that brought a buffer: as many characters as fit, and a zero
// byte.
#pragma once

#include <cstdio>
#include <string>

#include "protocol/abi/cuda_abi.h"

namespace farlane::shim {

inline CUresult CopyText(char* to, int size, const std::string& text) {
  if (to == nullptr || size <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  snprintf(to, static_cast<size_t>(size), "%s", text.c_str());
  return CUDA_SUCCESS;
}

}  // namespace farlane::shim
