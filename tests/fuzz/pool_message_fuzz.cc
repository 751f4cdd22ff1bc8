// SPDX-License-Identifier: Apache-2.0
// What a server says to a pool, as a hostile one would: inventories and loads of any content, from
// two servers, with the clock going on. The pool's own account stays possible.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "pool-manager/core/pool.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;

void CheckAccount(const Pool& pool) {
  const v1::PoolStatus status = pool.Status();
  if (status.servers_ready() > status.servers()) {
    abort();
  }
  for (const v1::Server& server : pool.Servers()) {
    const bool possible = server.promised_share() >= 0 && !server.inventory().name().empty() &&
                          server.inventory().devices_size() > 0;
    if (!possible) {
      abort();
    }
  }
}

int Try(const uint8_t* data, size_t size) {
  Pool pool;
  Pool::Now now{.ns = kSecondNs, .ms = 1'700'000'000'000};
  std::string server[2];
  // Pieces: a byte that says what, a byte of length, and so many bytes.
  for (size_t at = 0; at + 2 <= size;) {
    const uint8_t what = data[at];
    const size_t length = std::min<size_t>(data[at + 1], size - at - 2);
    const std::string piece(reinterpret_cast<const char*>(data + at + 2), length);
    at += 2 + length;
    const size_t who = what & 1;
    const uint64_t attachment = who + 1;
    v1::FromServer said;
    std::vector<v1::Session> changed;
    switch (what >> 1 & 3) {
      case 0:
        if (said.mutable_inventory()->ParseFromString(piece) &&
            pool.Attach(said.inventory(), attachment, now).empty()) {
          server[who] = said.inventory().server_id();
        }
        break;
      case 1:
        if (said.mutable_load()->ParseFromString(piece)) {
          pool.Hear(server[who], attachment, said.load(), now, &changed);
        }
        break;
      case 2: {
        v1::CreateSessionRequest wanted;
        Pool::Grant grant;
        if (wanted.ParseFromString(piece)) {
          wanted.set_key_digest(std::string(64, 'a'));
          pool.Draft(wanted, 1, now, &grant);
        }
        break;
      }
      default:
        now.ns += length * kSecondNs;
        now.ms += static_cast<int64_t>(length) * 1000;
        pool.Look(now, &changed);
        if ((what & 8) != 0) {
          pool.Detach(server[who], attachment, now);
        }
        break;
    }
  }
  CheckAccount(pool);
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::Try(data, size);
}
