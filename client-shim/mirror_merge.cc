// SPDX-License-Identifier: Apache-2.0
#include "client-shim/mirror_merge.h"

#include <cstring>

namespace farlane::shim {
namespace {

// A loop over whole words of a fixed width: a fetch may merge gigabytes.
template <size_t kWidth>
void MergeWord(std::byte* now, std::byte* known, const std::byte* arrived) {
  if (memcmp(arrived, known, kWidth) == 0) {
    return;
  }
  if (memcmp(now, known, kWidth) == 0) {
    memcpy(now, arrived, kWidth);
  }
  memcpy(known, arrived, kWidth);
}

}  // namespace

void MergeArrived(std::byte* now, std::byte* known, const std::byte* arrived, uint64_t bytes) {
  uint64_t word = 0;
  for (; bytes - word >= kMirrorWordBytes; word += kMirrorWordBytes) {
    MergeWord<kMirrorWordBytes>(now + word, known + word, arrived + word);
  }
  // The end of a range whose size is odd.
  const uint64_t rest = bytes - word;
  if (memcmp(arrived + word, known + word, rest) == 0) {
    return;
  }
  if (memcmp(now + word, known + word, rest) == 0) {
    memcpy(now + word, arrived + word, rest);
  }
  memcpy(known + word, arrived + word, rest);
}

}  // namespace farlane::shim
