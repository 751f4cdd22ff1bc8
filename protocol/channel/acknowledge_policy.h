// SPDX-License-Identifier: Apache-2.0
// When to send an acknowledgement that no other message carries. Each costs the sender a system
// call and the receiver a wake-up, so a stream that does not pause is acknowledged now and then.
#pragma once

#include <cstdint>

#include "protocol/base/bytes.h"

namespace farlane::channel {

// Thread: caller's; one for each stream that is read.
class AcknowledgePolicy {
 public:
  // What the peer keeps for our sake stays below this, whatever we have to say.
  static constexpr uint64_t kBytesMax = 64_KiB;
  // Nothing to read for so long, or going to sleep, is idle. The gap between two batches of a burst
  // is shorter, and to say something in each would cost as much as to read the batch.
  static constexpr uint64_t kIdleNs = 10'000;

  // `read_bytes` counts from the start of the stream. `idle`: nothing is left to read, so nothing
  // will carry the news. When true, the acknowledgement must be sent: the peer may hold back data
  // until it comes.
  bool IsDue(uint64_t read_bytes, bool idle) {
    if (read_bytes == acknowledged_bytes_ ||
        (!idle && read_bytes - acknowledged_bytes_ < kBytesMax)) {
      return false;
    }
    acknowledged_bytes_ = read_bytes;
    return true;
  }

 private:
  uint64_t acknowledged_bytes_ = 0;
};

}  // namespace farlane::channel
