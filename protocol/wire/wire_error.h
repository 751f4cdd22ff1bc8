// SPDX-License-Identifier: Apache-2.0
// WireError says that the peer broke the protocol. It ends the connection, always: nothing that
// such a peer says next can be trusted. It allocates nothing and carries no text of the peer's.
#pragma once

#include <cstdint>

namespace farlane::wire {

enum class [[nodiscard]] WireError : uint8_t{
    kNone = 0,
    kTruncated,     // a length says more than there is
    kTrailing,      // a length says less than there is
    kTooLong,       // longer than the named limit
    kBadHeader,     // header fields that contradict each other
    kUnknown,       // a message that this side does not know
    kWrongSide,     // a message that only the other side may send
    kOutOfOrder,    // a sequence number that is not the next one
    kBadValue,      // a field outside its range
    kBadReference,  // names a thing that was never made
};

const char* WireErrorName(WireError error);

}  // namespace farlane::wire

// Returns a WireError to the caller; goes on when there is none.
#define FARLANE_WIRE_TRY(expression)                           \
  do {                                                         \
    if (::farlane::wire::WireError wire_error_ = (expression); \
        wire_error_ != ::farlane::wire::WireError::kNone) {    \
      return wire_error_;                                      \
    }                                                          \
  } while (false)
