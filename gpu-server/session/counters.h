// SPDX-License-Identifier: Apache-2.0
// What one client has asked for, for the line that is logged at its end.
#pragma once

#include <cstdint>

namespace farlane::server {

struct SessionCounters {
  uint64_t posts = 0;
  uint64_t calls = 0;  // of which each is a round trip
  uint64_t launches = 0;
  uint64_t in_bytes = 0;
  uint64_t out_bytes = 0;
};

}  // namespace farlane::server
