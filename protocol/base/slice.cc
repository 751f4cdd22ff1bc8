// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/slice.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "protocol/base/environment.h"

namespace farlane {

Result<uint32_t> ParseShare(const std::string& text) {
  double share = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, share, std::chars_format::fixed);
  const double millionths = std::round(share * kWholeShare);
  if (error != std::errc() || stop != end || !(millionths >= 1) || millionths > kWholeShare) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text + "\" is no share of a GPU (0.5 is a half, 1 is all)");
  }
  return static_cast<uint32_t>(millionths);
}

std::string ShareText(uint64_t share) {
  char text[32];
  snprintf(text, sizeof text, "%g", static_cast<double>(share) / kWholeShare);
  return text;
}

const char* PriorityName(Priority priority) {
  switch (priority) {
    case Priority::kBestEffort:
      return "best-effort";
    case Priority::kGuaranteed:
      return "guaranteed";
    default:
      return "standard";
  }
}

Result<Priority> ParsePriority(const std::string& text) {
  for (const Priority one : {Priority::kBestEffort, Priority::kStandard, Priority::kGuaranteed}) {
    if (text == PriorityName(one)) {
      return one;
    }
  }
  return Status(StatusCode::kInvalidArgument,
                "\"" + text + "\" is no priority (guaranteed, standard or best-effort)");
}

Status CheckSlice(const SliceRequest& slice) {
  if (slice.share > kWholeShare || slice.share_limit > kWholeShare) {
    return Status(StatusCode::kInvalidArgument, "a share is at most one GPU");
  }
  if (slice.share_limit != 0 && slice.share > slice.share_limit) {
    return Status(StatusCode::kInvalidArgument, "the share is larger than its limit");
  }
  if (slice.priority > Priority::kGuaranteed) {
    return Status(StatusCode::kInvalidArgument, "there is no such priority");
  }
  return Status::Ok();
}

Result<SliceRequest> ParseSlice(const SliceWords& words) {
  SliceRequest slice{};
  if (!words.memory.empty()) {
    FARLANE_ASSIGN(slice.memory_bytes, ParseBytes(words.memory));
  }
  if (!words.share.empty()) {
    FARLANE_ASSIGN(slice.share, ParseShare(words.share));
  }
  if (!words.share_limit.empty()) {
    FARLANE_ASSIGN(slice.share_limit, ParseShare(words.share_limit));
  }
  if (!words.priority.empty()) {
    FARLANE_ASSIGN(slice.priority, ParsePriority(words.priority));
  }
  FARLANE_TRY(CheckSlice(slice));
  return slice;
}

}  // namespace farlane
