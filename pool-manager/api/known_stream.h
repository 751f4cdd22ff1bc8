// SPDX-License-Identifier: Apache-2.0
// KnownStream is a watch of somebody who is known by his token: it ends when that is revoked or has
// expired, as the next request would be refused.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pool-manager/api/http_server.h"
#include "pool-manager/trust/guards.h"

namespace farlane::pool {

// Thread: the connection's.
class KnownStream : public HttpStream {
 public:
  KnownStream(std::shared_ptr<HttpStream> stream,
              std::shared_ptr<Guards> guards,
              const HttpRequest& request)
      : stream_(std::move(stream)),
        guards_(std::move(guards)),
        authorization_(request.authorization),
        local_user_(request.local_user) {}

  std::optional<std::string> Next(unsigned timeout_ms) override;

 private:
  const std::shared_ptr<HttpStream> stream_;
  const std::shared_ptr<Guards> guards_;  // shared with the office and other requests
  const std::string authorization_;
  const std::optional<uint32_t> local_user_;
  bool over_ = false;
};

}  // namespace farlane::pool
