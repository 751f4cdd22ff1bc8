// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/route_access.h"

#include <string_view>

#include "pool-manager/api/answers.h"

namespace farlane::pool {
namespace {

struct Row {
  std::string_view route;
  RouteAccess access;
};

constexpr bool kLooks = false;
constexpr bool kChanges = true;

constexpr Row kRows[] = {
    {"pool.status", {Verb::kStatusRead, kLooks}},
    {"pool.openapi", {Verb::kAccessRead, kLooks}},
    {"pool.step-down", {Verb::kPoolChange, kChanges}},
    // Nothing is changed by it, but who has taken all that is stored is to be found in the log.
    {"pool.backup", {Verb::kPoolBackup, kChanges}},
    {"servers.list", {Verb::kServerRead, kLooks}},
    {"servers.get", {Verb::kServerRead, kLooks}},
    {"servers.cordon", {Verb::kServerChange, kChanges}},
    {"servers.uncordon", {Verb::kServerChange, kChanges}},
    {"servers.drain", {Verb::kServerChange, kChanges}},
    {"servers.taint", {Verb::kServerChange, kChanges}},
    {"servers.revoke", {Verb::kServerRevoke, kChanges}},
    {"sessions.list", {Verb::kSessionRead, kLooks}},
    {"sessions.get", {Verb::kSessionRead, kLooks}},
    {"sessions.create", {Verb::kSessionCreate, kChanges}},
    {"sessions.end", {Verb::kSessionEnd, kChanges}},
    {"queue.list", {Verb::kQueueRead, kLooks}},
    {"queue.explain", {Verb::kQueueRead, kLooks}},
    {"projects.list", {Verb::kProjectRead, kLooks}},
    {"projects.get", {Verb::kProjectRead, kLooks}},
    {"projects.create", {Verb::kProjectChange, kChanges}},
    {"projects.set", {Verb::kProjectChange, kChanges}},
    {"projects.delete", {Verb::kProjectChange, kChanges}},
    {"reservations.list", {Verb::kProjectRead, kLooks}},
    {"reservations.create", {Verb::kProjectChange, kChanges}},
    {"reservations.delete", {Verb::kProjectChange, kChanges}},
    {"tokens.list", {Verb::kTokenRead, kLooks}},
    {"tokens.create", {Verb::kTokenCreate, kChanges}},
    {"tokens.revoke", {Verb::kTokenRevoke, kChanges}},
    {"access.whoami", {Verb::kAccessRead, kLooks}},
    {"access.permissions", {Verb::kAccessRead, kLooks}},
    {"audit.list", {Verb::kAuditRead, kLooks}},
    {"audit.verify", {Verb::kAuditRead, kLooks}},
    {"keys.rotate", {Verb::kKeyRotate, kChanges}},
    {"join-keys.list", {Verb::kJoinKeyRead, kLooks}},
    {"join-keys.create", {Verb::kJoinKeyChange, kChanges}},
    {"join-keys.revoke", {Verb::kJoinKeyChange, kChanges}},
    {"pool.join", {Verb::kPoolJoin, kChanges}},
};

}  // namespace

std::optional<RouteAccess> AccessOf(const Route& route, const HttpRequest& request) {
  for (const Row& row : kRows) {
    if (row.route != route.verb) {
      continue;
    }
    const bool only_asks =
        row.access.verb == Verb::kSessionCreate && request.query.contains("dryRun");
    return only_asks ? RouteAccess{Verb::kSessionPlan, kLooks} : row.access;
  }
  return std::nullopt;
}

const std::string& ProjectOf(const v1::SessionSpec& spec) {
  static const std::string unnamed = Pool::kDefaultProject;
  return spec.project().empty() ? unnamed : spec.project();
}

bool MayWith(const Call& call, Verb verb, const v1::Session& session) {
  return call.caller.MayWith(verb, ProjectOf(session.spec()), session.user());
}

bool SettleProject(const Call& call, Verb verb, v1::SessionSpec* spec, HttpAnswer* problem) {
  if (spec->project().empty()) {
    spec->set_project(call.caller.project);
  }
  if (call.caller.MayWith(verb, ProjectOf(*spec), call.caller.user)) {
    return true;
  }
  *problem = Problem(403, "Forbidden",
                     "\"" + call.caller.user + "\" (" + call.caller.RoleText() +
                         ") may not use the project \"" + ProjectOf(*spec) + "\"");
  return false;
}

}  // namespace farlane::pool
