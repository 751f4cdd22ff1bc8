// SPDX-License-Identifier: Apache-2.0
// A slice is the part of a GPU that a session asks for: memory, a share of the time, a cap on it
// and a class. The first process of a session says it in its hello. A field of zero asks for
// nothing.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/base/result.h"

namespace farlane {

// Shares are told in millionths of one GPU.
inline constexpr uint32_t kWholeShare = 1'000'000;

enum class Priority : uint32_t {
  kUnset = 0,  // standard
  kBestEffort = 1,
  kStandard = 2,
  kGuaranteed = 3,
};

// Part of the hello: plain bytes, and whoever receives it checks it.
struct SliceRequest {
  uint64_t memory_bytes;  // of each device
  uint32_t share;         // of each device's time
  uint32_t share_limit;   // never more than this; 0: no cap
  Priority priority;
  uint32_t reserved[3];

  bool operator==(const SliceRequest&) const = default;
};

static_assert(sizeof(SliceRequest) == 32);

// "0.5", "1": more than nothing, at most one GPU.
Result<uint32_t> ParseShare(const std::string& text);
// "guaranteed", "standard" or "best-effort".
Result<Priority> ParsePriority(const std::string& text);
// As people write it: "0.5".
std::string ShareText(uint64_t share);
const char* PriorityName(Priority priority);

// What is wrong with a request, whoever it comes from; Ok when it can be meant.
Status CheckSlice(const SliceRequest& slice);

// The slice as people write it, in FARLANE_MEM and its like; an empty text asks for nothing.
struct SliceWords {
  std::string memory;
  std::string share;
  std::string share_limit;
  std::string priority;
};

Result<SliceRequest> ParseSlice(const SliceWords& words);

}  // namespace farlane
