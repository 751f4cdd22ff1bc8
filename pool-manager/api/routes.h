// SPDX-License-Identifier: Apache-2.0
// Routes answers the requests of people and programs: the pool's messages as JSON, at /v1/… . What
// goes wrong is told as RFC 9457 says, with a reason for programs.
#pragma once

#include <string>

#include "pool-manager/api/http_server.h"
#include "pool-manager/daemon/office.h"

namespace farlane::pool {

// Thread: any; it does not change.
class Routes {
 public:
  // `token`: what people show as "Authorization: Bearer …"; empty: nothing.
  Routes(Office& office, std::string token) : office_(office), token_(std::move(token)) {}

  HttpAnswer Answer(const HttpRequest& request) const;

 private:
  bool IsAllowed(const HttpRequest& request) const;
  HttpAnswer NotLeading() const;

  Office& office_;
  const std::string token_;
};

}  // namespace farlane::pool
