// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/status.h"

#include <cstring>

namespace farlane {

const char* StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "ok";
    case StatusCode::kInvalidArgument:
      return "invalid argument";
    case StatusCode::kNotFound:
      return "not found";
    case StatusCode::kUnavailable:
      return "unavailable";
    case StatusCode::kRefused:
      return "refused";
    case StatusCode::kMismatch:
      return "mismatch";
    case StatusCode::kExhausted:
      return "exhausted";
    case StatusCode::kCorrupt:
      return "corrupt";
    case StatusCode::kTimeout:
      return "timeout";
    case StatusCode::kUnsupported:
      return "unsupported";
    case StatusCode::kInternal:
      return "internal";
  }
  return "unknown";
}

Status::Status(StatusCode code, std::string message)
    : failure_(std::make_shared<const Failure>(Failure{code, std::move(message)})) {}

Status Status::FromErrno(StatusCode code, const std::string& what, int error_number) {
  char text[128] = "unknown error";
  // The GNU form returns the text to use, which need not be the buffer.
  return Status(code, what + ": " + strerror_r(error_number, text, sizeof text));
}

Status Status::While(const std::string& doing) && {
  if (ok()) {
    return std::move(*this);
  }
  return Status(code(), "while " + doing + ": " + failure_->message);
}

}  // namespace farlane
