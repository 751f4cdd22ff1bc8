// SPDX-License-Identifier: Apache-2.0
// What is asked about the pool itself.
#include "pool-manager/api/answers.h"
#include "pool-manager/api/route.h"

namespace farlane::pool {
namespace {

HttpAnswer Status(const Call& call) {
  return Json(call.host.Status());
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/status", "pool.status", "", "PoolStatus",
     "the pool: servers, devices, sessions, epoch", &Status},
};

}  // namespace

std::span<const Route> PoolRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
