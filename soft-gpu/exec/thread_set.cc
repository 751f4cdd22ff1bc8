// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/thread_set.h"

namespace farlane::soft {

void ThreadSet::AddAll(const ThreadSet& other) {
  for (size_t i = 0; i < words_.size(); ++i) {
    words_[i] |= other.words_[i];
  }
}

uint32_t ThreadSet::NextFromWord(uint32_t word) const {
  for (uint32_t step = 0; step < words_.size(); ++step) {
    const uint32_t one = (word + step) % words_.size();
    if (words_[one] != 0) {
      return one * 64 + static_cast<uint32_t>(std::countr_zero(words_[one]));
    }
  }
  return kBlockThreadsMax;
}

}  // namespace farlane::soft
