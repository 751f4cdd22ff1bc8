// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/slice.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "protocol/base/environment.h"

namespace farlane {
namespace {

constexpr size_t kShareDigits = 6;
constexpr size_t kNumberDigits = 9;

// A natural number; nothing for what is none, or is longer than any that can be meant.
std::optional<uint32_t> ParseNumber(const std::string& text) {
  if (text.empty() || text.size() > kNumberDigits ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  uint32_t number = 0;
  for (const char digit : text) {
    number = number * 10 + static_cast<uint32_t>(digit - '0');
  }
  return number;
}

Result<uint16_t> ParseGpus(const std::string& text) {
  const std::optional<uint32_t> number = ParseNumber(text);
  if (!number.has_value() || *number == 0 || *number > kGpusMax) {
    return Status(StatusCode::kInvalidArgument,
                  "\"" + text + "\" is no number of GPUs (1 to " + std::to_string(kGpusMax) + ")");
  }
  return static_cast<uint16_t>(*number);
}

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

const char* IsolationName(Isolation isolation) {
  switch (isolation) {
    case Isolation::kScrubbed:
      return "scrubbed";
    case Isolation::kExclusive:
      return "exclusive";
    case Isolation::kMig:
      return "mig";
    default:
      return "shared";
  }
}

Result<Isolation> ParseIsolation(const std::string& text) {
  for (const Isolation one :
       {Isolation::kShared, Isolation::kScrubbed, Isolation::kExclusive, Isolation::kMig}) {
    if (text == IsolationName(one)) {
      return one;
    }
  }
  return Status(StatusCode::kInvalidArgument,
                "\"" + text + "\" is no isolation (shared, scrubbed, exclusive or mig)");
}

Result<uint32_t> ParseQueueSeconds(const std::string& text) {
  const std::optional<uint32_t> seconds = ParseNumber(text);
  if (!seconds.has_value() || *seconds > kQueueSecondsMax) {
    return Status(StatusCode::kInvalidArgument, "\"" + text + "\" is no number of seconds, 0 to " +
                                                    std::to_string(kQueueSecondsMax));
  }
  return *seconds;
}

Status CheckSlice(const SliceRequest& slice) {
  if (slice.share > kWholeShare || slice.share_limit > kWholeShare) {
    return Status(StatusCode::kInvalidArgument, "a share is at most one GPU");
  }
  if (slice.share_limit != 0 && slice.share > slice.share_limit) {
    return Status(StatusCode::kInvalidArgument, "the share is larger than its limit");
  }
  if (slice.share_max > kWholeShare) {
    return Status(StatusCode::kInvalidArgument, "a share is at most one GPU");
  }
  if (slice.share_max != 0 && (slice.share == 0 || slice.share_max < slice.share)) {
    return Status(StatusCode::kInvalidArgument, "a share ends where it begins, or above");
  }
  if (slice.share_max != 0 && slice.share_limit != 0 && slice.share_max > slice.share_limit) {
    return Status(StatusCode::kInvalidArgument, "the share is larger than its limit");
  }
  if (slice.share_max != 0 && slice.priority == Priority::kBestEffort) {
    return Status(StatusCode::kInvalidArgument, "best effort is promised nothing that could grow");
  }
  if (slice.priority > Priority::kGuaranteed) {
    return Status(StatusCode::kInvalidArgument, "there is no such priority");
  }
  if (slice.isolation > Isolation::kMig) {
    return Status(StatusCode::kInvalidArgument, "there is no such isolation");
  }
  if (slice.gpus > kGpusMax || slice.queue_seconds > kQueueSecondsMax) {
    return Status(StatusCode::kInvalidArgument, "it asks for more GPUs, or more time, than can be");
  }
  return Status::Ok();
}

namespace {

// A share, or the two ends of what it may be: "0.2..0.8".
Status ParseShares(const std::string& text, SliceRequest* slice) {
  const size_t dots = text.find("..");
  FARLANE_ASSIGN(slice->share, ParseShare(text.substr(0, dots)));
  if (dots != std::string::npos) {
    FARLANE_ASSIGN(slice->share_max, ParseShare(text.substr(dots + 2)));
  }
  return Status::Ok();
}

}  // namespace

Result<SliceRequest> ParseSlice(const SliceWords& words) {
  SliceRequest slice{};
  if (!words.memory.empty()) {
    FARLANE_ASSIGN(slice.memory_bytes, ParseBytes(words.memory));
  }
  if (!words.share.empty()) {
    FARLANE_TRY(ParseShares(words.share, &slice));
  }
  if (!words.share_limit.empty()) {
    FARLANE_ASSIGN(slice.share_limit, ParseShare(words.share_limit));
  }
  if (!words.priority.empty()) {
    FARLANE_ASSIGN(slice.priority, ParsePriority(words.priority));
  }
  if (!words.gpus.empty()) {
    FARLANE_ASSIGN(slice.gpus, ParseGpus(words.gpus));
  }
  if (!words.isolation.empty()) {
    FARLANE_ASSIGN(slice.isolation, ParseIsolation(words.isolation));
  }
  FARLANE_TRY(CheckSlice(slice));
  return slice;
}

}  // namespace farlane
