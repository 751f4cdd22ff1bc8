// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/routes.h"

#include "pool-manager/api/answers.h"
#include "pool-manager/api/open_api.h"
#include "pool-manager/api/route.h"
#include "pool-manager/core/same_secret.h"

namespace farlane::pool {

bool Routes::IsAllowed(const HttpRequest& request) const {
  return token_.empty() || IsSameSecret("Bearer " + token_, request.authorization);
}

HttpAnswer Routes::NotLeading() const {
  const std::optional<ManagerAddress> leader = office_.Leader();
  return Problem(503, "NotLeader",
                 leader.has_value()
                     ? "this manager stands by; the one at " + leader->people + " leads the pool"
                     : "this manager stands by, and none leads the pool now");
}

HttpAnswer Routes::Answer(const HttpRequest& request) const {
  if (request.path == "/healthz") {
    return {.status = 200, .body = "ok\n", .type = "text/plain"};
  }
  if (!IsAllowed(request)) {
    return Problem(401, "Unauthenticated", "this pool asks for a token (FARLANE_POOL_TOKEN)");
  }
  if (request.path == kOpenApiPath && request.method == "GET") {
    return OpenApiAnswer();  // a manager that stands by knows it as well
  }
  const std::shared_ptr<PoolHost> host = office_.Host();
  if (host == nullptr) {
    return NotLeading();
  }
  std::string others;  // methods that there are for this path
  for (const Route& route : AllRoutes()) {
    std::vector<std::string> names;
    if (!PathMatches(route.path, request.path, &names)) {
      continue;
    }
    if (request.method == route.method) {
      return route.answer({*host, request, std::move(names), ""});
    }
    others += (others.empty() ? "" : " and ") + std::string(route.method);
  }
  return others.empty()
             ? NotFound("such path as " + request.path + "; docs/pool.md has those there are")
             : Problem(405, "MethodNotAllowed", "here one can only " + others);
}

}  // namespace farlane::pool
