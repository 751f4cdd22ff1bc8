// SPDX-License-Identifier: Apache-2.0
// What each request is in the access table, and whether it is written to the audit log. A route
// that is not named here is nobody's to use.
#pragma once

#include <optional>

#include "pool-manager/api/route.h"
#include "pool-manager/trust/access_table.h"

namespace farlane::pool {

struct RouteAccess {
  Verb verb = Verb::kAccessRead;
  bool is_logged = false;  // it is written to the audit log before it is done
};

std::optional<RouteAccess> AccessOf(const Route& route, const HttpRequest& request);

// Whose a session is; who names no project has the default one.
const std::string& ProjectOf(const v1::SessionSpec& spec);

// Whether the caller may do it with this session.
bool MayWith(const Call& call, Verb verb, const v1::Session& session);

// The project that a request names is one that the caller may use; who has one need not name it.
// False: `problem` says so.
bool SettleProject(const Call& call, Verb verb, v1::SessionSpec* spec, HttpAnswer* problem);

}  // namespace farlane::pool
