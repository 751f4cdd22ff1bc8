// SPDX-License-Identifier: Apache-2.0
// Routes answers the requests of people and programs, at /v1/… . Whoever comes is recognized, what
// he wants is looked up among the routes, whether he may in the access table, and what changes
// something is written to the audit log before it is done.
#pragma once

#include "pool-manager/api/http_server.h"
#include "pool-manager/daemon/office.h"

namespace farlane::pool {

// Thread: any; it does not change.
class Routes {
 public:
  explicit Routes(Office& office) : office_(office) {}

  HttpAnswer Answer(const HttpRequest& request) const;

 private:
  HttpAnswer NotLeading() const;

  Office& office_;
};

}  // namespace farlane::pool
