// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/jit_options.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace farlane::soft {

CUresult JitOptions::Check() const {
  if (count_ > 0 && (options_ == nullptr || values_ == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const bool known = std::all_of(options_, options_ + count_, [](CUjit_option option) {
    return option >= 0 && option < CU_JIT_NUM_OPTIONS;
  });
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void** JitOptions::Find(CUjit_option option) const {
  for (unsigned int i = 0; i < count_; ++i) {
    if (options_[i] == option) {
      return &values_[i];
    }
  }
  return nullptr;
}

void JitOptions::Fill(CUjit_option buffer, CUjit_option size, const std::string& text) const {
  void** const where = Find(buffer);
  void** const room = Find(size);
  if (where == nullptr || room == nullptr || *where == nullptr) {
    return;
  }
  // The size stands in the pointer itself, as 32 bits.
  const size_t room_bytes = reinterpret_cast<uintptr_t>(*room) & 0xffffffffu;
  if (room_bytes == 0) {
    return;
  }
  const size_t used = std::min(text.size(), room_bytes - 1);
  std::memcpy(*where, text.data(), used);
  static_cast<char*>(*where)[used] = '\0';
  *room = reinterpret_cast<void*>(static_cast<uintptr_t>(text.empty() ? 0 : used + 1));
}

void JitOptions::Report(const std::string& error) const {
  Fill(CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, "");
  Fill(CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, error);
}

}  // namespace farlane::soft
