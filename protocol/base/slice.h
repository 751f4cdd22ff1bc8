// SPDX-License-Identifier: Apache-2.0
// A slice is what a session asks for of a server: how many GPUs, and of each of them memory, a
// share of the time, a cap on it, a class, and how far apart it is to be kept from others. The
// first process of a session says it in its hello. A field of zero asks for nothing.
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

// How far apart a session is kept from others, each with all of the one before.
enum class Isolation : uint8_t {
  kUnset = 0,      // shared
  kShared = 1,     // beside others, in turns where that is worth it
  kScrubbed = 2,   // its work is never on a device beside others', and what it sees of time is
                   // coarse; its memory is zeroed before and after
  kExclusive = 3,  // nobody else is on its devices
  kMig = 4,        // ... which are parts of a GPU that the hardware keeps apart
};

// More than any machine has.
inline constexpr uint32_t kGpusMax = 256;

// Part of the hello: plain bytes, and whoever receives it checks it.
struct SliceRequest {
  uint64_t memory_bytes;  // of each device
  uint32_t share;         // of each device's time
  uint32_t share_limit;   // never more than this; 0: no cap
  Priority priority;
  uint16_t gpus;  // so many devices of the server; 0: all of them
  Isolation isolation;
  uint8_t reserved;
  uint32_t queue_seconds;  // for so long the program waits where this cannot be promised yet
  uint32_t share_max;      // the server may give more than `share`, up to this, as long as it is
                           // promised to nobody else; 0: it may not

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
// "shared", "scrubbed", "exclusive" or "mig".
Result<Isolation> ParseIsolation(const std::string& text);
const char* IsolationName(Isolation isolation);

// What is wrong with a request, whoever it comes from; Ok when it can be meant.
Status CheckSlice(const SliceRequest& slice);

// The slice as people write it, in FARLANE_MEM and its like; an empty text asks for nothing.
struct SliceWords {
  std::string memory{};
  std::string share{};  // "0.5", or the two ends of what it may be: "0.2..0.8"
  std::string share_limit{};
  std::string priority{};
  std::string gpus{};
  std::string isolation{};
};

Result<SliceRequest> ParseSlice(const SliceWords& words);

// What `queue_seconds` is where nobody says anything, and at most.
inline constexpr uint32_t kQueueSeconds = 60;
inline constexpr uint32_t kQueueSecondsMax = 86'400;
// FARLANE_QUEUE_TIMEOUT, in seconds; 0: do not wait.
Result<uint32_t> ParseQueueSeconds(const std::string& text);

}  // namespace farlane
