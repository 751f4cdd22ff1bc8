// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/slice.h"

#include <algorithm>
#include <cstdio>

#include "protocol/base/environment.h"

namespace farlane {
namespace {

constexpr size_t kShareDigits = 6;

}  // namespace

// Not by a function of the standard library: those that read fractions need what old systems lack.
Result<uint32_t> ParseShare(const std::string& text) {
  const size_t dot = std::min(text.find('.'), text.size());
  std::string fraction = dot == text.size() ? "" : text.substr(dot + 1);
  const std::string digits = text.substr(0, dot) + fraction;
  fraction.resize(kShareDigits, '0');
  const std::string millionths = text.substr(0, dot) + fraction;
  const bool is_number = !digits.empty() && millionths.size() <= kShareDigits + 1 &&
                         digits.find_first_not_of("0123456789") == std::string::npos;
  uint32_t share = 0;
  for (size_t i = 0; is_number && i < millionths.size(); ++i) {
    share = share * 10 + static_cast<uint32_t>(millionths[i] - '0');
  }
  if (share == 0 || share > kWholeShare) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text + "\" is no share of a GPU (0.5 is a half, 1 is all)");
  }
  return share;
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
