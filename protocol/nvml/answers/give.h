// SPDX-License-Identifier: Apache-2.0
// How an answer gets into the program's memory. What nobody knows is not supported.
#pragma once

#include <cstring>
#include <optional>
#include <string_view>

#include "protocol/nvml/nvml_abi.h"

namespace farlane::nvml {

template <typename T, typename U>
nvmlReturn_t Give(T* to, const U& value) {
  *to = static_cast<T>(value);
  return NVML_SUCCESS;
}

template <typename T, typename U>
nvmlReturn_t Give(T* to, const std::optional<U>& value) {
  return value.has_value() ? Give(to, *value) : NVML_ERROR_NOT_SUPPORTED;
}

// Nothing is known by an empty text.
inline nvmlReturn_t GiveText(char* to, unsigned int size, std::string_view text) {
  if (text.empty()) {
    return NVML_ERROR_NOT_SUPPORTED;
  }
  if (text.size() >= size) {
    return NVML_ERROR_INSUFFICIENT_SIZE;
  }
  memcpy(to, text.data(), text.size());
  to[text.size()] = '\0';
  return NVML_SUCCESS;
}

}  // namespace farlane::nvml
