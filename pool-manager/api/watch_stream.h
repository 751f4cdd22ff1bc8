// SPDX-License-Identifier: Apache-2.0
// WatchStream is what somebody is sent who watches sessions or servers: a JSON object a line, for
// all there are and then for each that comes, changes or goes. It keeps no events of its own: it
// reads on in the pool's ChangeLog from where it is. Who reads more slowly than things change is
// told so and cut off.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "pool-manager/api/http_server.h"
#include "pool-manager/api/sight.h"
#include "pool-manager/daemon/pool_host.h"

namespace farlane::pool {

struct WatchWish {
  enum class Kind : uint8_t { kSessions, kServers };
  Kind kind = Kind::kSessions;
  Sight sight{};  // of the one who watches
};

// The answer to a request that asks for ?watch=1; nothing: this one does not.
std::optional<HttpAnswer> AnswerWatch(PoolHost& host, const HttpRequest& request, WatchWish wish);

}  // namespace farlane::pool
