// SPDX-License-Identifier: Apache-2.0
// What is asked about the pool itself.
#include "pool-manager/api/answers.h"
#include "pool-manager/api/open_api.h"
#include "pool-manager/api/route.h"

namespace farlane::pool {
namespace {

HttpAnswer Status(const Call& call) {
  return Json(call.host.Status());
}

HttpAnswer StepDown(const Call& call) {
  v1::StepDownResponse response;
  const auto objection = call.host.StepDown(&response);
  return objection.has_value() ? Problem(*objection) : Json(response);
}

HttpAnswer BackUp(const Call& call) {
  HttpAnswer answer{.status = 200, .body = {}, .type = "application/vnd.sqlite3"};
  const auto objection = call.host.BackUp(&answer.body);
  return objection.has_value() ? Problem(*objection) : answer;
}

HttpAnswer OpenApi(const Call& /*call*/) {
  return OpenApiAnswer();
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/status", "pool.status", "", "PoolStatus",
     "the pool: servers, devices, sessions, epoch", &Status},
    {"GET", kOpenApiPath, "pool.openapi", "", "", "this description of all that can be asked",
     &OpenApi},
    {"POST", "/v1/pool:stepDown", "pool.step-down", "", "StepDownResponse",
     "lets another manager lead", &StepDown},
    {"GET",
     "/v1/pool:backup",
     "pool.backup",
     "",
     "",
     "a copy of what is stored, as one file",
     &BackUp,
     {.type = "application/vnd.sqlite3"}},
};

}  // namespace

std::span<const Route> PoolRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
