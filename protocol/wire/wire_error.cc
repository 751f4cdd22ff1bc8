// SPDX-License-Identifier: Apache-2.0
#include "protocol/wire/wire_error.h"

namespace farlane::wire {

const char* WireErrorName(WireError error) {
  switch (error) {
    case WireError::kNone:
      return "none";
    case WireError::kTruncated:
      return "truncated message";
    case WireError::kTrailing:
      return "bytes after the end of a message";
    case WireError::kTooLong:
      return "message over the length limit";
    case WireError::kBadHeader:
      return "contradictory header";
    case WireError::kUnknown:
      return "unknown message";
    case WireError::kWrongSide:
      return "message from the wrong side";
    case WireError::kOutOfOrder:
      return "sequence number out of order";
    case WireError::kBadValue:
      return "field out of range";
    case WireError::kBadReference:
      return "reference to nothing";
  }
  return "unknown error";
}

}  // namespace farlane::wire
