// SPDX-License-Identifier: Apache-2.0
// What is asked about sessions.
#include "pool-manager/api/answers.h"
#include "pool-manager/api/route.h"

namespace farlane::pool {
namespace {

HttpAnswer List(const Call& call) {
  v1::ListSessionsResponse list;
  for (v1::Session& session : call.host.Sessions()) {
    *list.add_sessions() = std::move(session);
  }
  return Json(list);
}

HttpAnswer Create(const Call& call) {
  v1::CreateSessionRequest wanted;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wanted, &problem)) {
    return problem;
  }
  const auto dry_run = call.request.query.find("dryRun");
  if (dry_run != call.request.query.end() && dry_run->second != "All") {
    return Problem(400, "Invalid", "dryRun can only be All");
  }
  if (dry_run != call.request.query.end()) {
    v1::Placement placement;
    const auto objection = call.host.Consider(wanted, &placement);
    return objection.has_value() ? Problem(*objection) : Json(placement);
  }
  v1::CreateSessionResponse response;
  const auto objection = call.host.Create(wanted, call.user, &response);
  if (objection.has_value()) {
    return Problem(*objection);
  }
  // Created, on its way, or nothing yet: the way to some servers is to be measured first.
  return Json(response, !response.token().empty() ? 201 : response.has_place() ? 202 : 200);
}

std::string NoSuch(const std::string& id) {
  return "session \"" + id + "\", or several begin so";
}

HttpAnswer Get(const Call& call) {
  const std::optional<v1::Session> session = call.host.FindSession(call.names[0]);
  return session.has_value() ? Json(*session) : NotFound(NoSuch(call.names[0]));
}

HttpAnswer End(const Call& call) {
  const std::optional<v1::Session> session = call.host.FindSession(call.names[0]);
  if (!session.has_value()) {
    return NotFound(NoSuch(call.names[0]));
  }
  v1::Session released;
  const auto objection = call.host.Release(session->id(), &released);
  return objection.has_value() ? Problem(*objection) : Json(released);
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/sessions", "sessions.list", "", "ListSessionsResponse", "all sessions", &List},
    {"POST", "/v1/sessions", "sessions.create", "CreateSessionRequest", "CreateSessionResponse",
     "a session, or a place in the queue; with ?dryRun=All a Placement: where it would go",
     &Create},
    {"GET", "/v1/sessions/{id}", "sessions.get", "", "Session",
     "one session, by its id or the beginning of it", &Get},
    {"DELETE", "/v1/sessions/{id}", "sessions.end", "", "Session", "ends a session", &End},
};

}  // namespace

std::span<const Route> SessionRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
