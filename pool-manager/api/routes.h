// SPDX-License-Identifier: Apache-2.0
// Routes answers the requests of people and programs: the pool's messages as JSON, at /v1/… . What
// goes wrong is told as RFC 9457 says, with a reason for programs.
#pragma once

#include <string>

#include "pool-manager/api/http_server.h"
#include "pool-manager/daemon/pool_host.h"

namespace farlane::pool {

// Thread: any; it does not change.
class Routes {
 public:
  // `token`: what people show as "Authorization: Bearer …"; empty: nothing.
  Routes(PoolHost& host, std::string token) : host_(host), token_(std::move(token)) {}

  HttpAnswer Answer(const HttpRequest& request) const;

 private:
  bool IsAllowed(const HttpRequest& request) const;
  HttpAnswer AnswerSessions(const HttpRequest& request) const;
  HttpAnswer AnswerSession(const HttpRequest& request, const std::string& id) const;
  HttpAnswer AnswerServers(const HttpRequest& request) const;
  HttpAnswer AnswerServer(const HttpRequest& request,
                          const std::string& name,
                          const std::string& verb) const;

  PoolHost& host_;
  const std::string token_;
};

}  // namespace farlane::pool
