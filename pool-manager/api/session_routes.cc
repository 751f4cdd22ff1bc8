// SPDX-License-Identifier: Apache-2.0
// What is asked about sessions.
#include <cstdio>

#include "pool-manager/api/answers.h"
#include "pool-manager/api/page.h"
#include "pool-manager/api/route.h"
#include "pool-manager/api/sight.h"
#include "pool-manager/api/watch_stream.h"

namespace farlane::pool {
namespace {

// The order of lists: the oldest first. As texts these are in the order of their numbers.
std::string AgeOf(const v1::Session& session) {
  char created[24];
  snprintf(created, sizeof created, "%020lld", static_cast<long long>(session.created_ms()));
  return created + session.id();
}

// What the header says counts as if it stood in the request.
bool TakeKey(const HttpRequest& request, v1::CreateSessionRequest* wanted, HttpAnswer* problem) {
  const std::string& key = request.idempotency_key;
  if (!key.empty() && !wanted->idempotency_key().empty() && key != wanted->idempotency_key()) {
    *problem = Problem(400, "Invalid", "the header Idempotency-Key and idempotencyKey differ");
    return false;
  }
  if (!key.empty()) {
    wanted->set_idempotency_key(key);
  }
  return true;
}

HttpAnswer List(const Call& call) {
  PageRequest page;
  if (HttpAnswer problem; !ReadPageRequest(call.request, &page, &problem)) {
    return problem;
  }
  const Sight sight = SightOf(call);
  if (std::optional<HttpAnswer> watch = AnswerWatch(
          call.host, call.request, {.kind = WatchWish::Kind::kSessions, .sight = sight})) {
    return *std::move(watch);
  }
  uint64_t version = 0;
  std::vector<v1::Session> sessions = call.host.ListSessions(&version);
  std::erase_if(sessions, [&sight](const v1::Session& one) { return !sight.Shows(one); });
  v1::ListSessionsResponse list;
  list.set_continue_(CutPage(page, &sessions, &AgeOf));
  list.set_resource_version(call.host.VersionText(version));
  for (v1::Session& session : sessions) {
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
  if (HttpAnswer problem; !TakeKey(call.request, &wanted, &problem)) {
    return problem;
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

// Who is not shown it is told what he is told who names none.
std::optional<v1::Session> Find(const Call& call) {
  std::optional<v1::Session> session = call.host.FindSession(call.names[0]);
  return session.has_value() && SightOf(call).Shows(*session) ? session : std::nullopt;
}

HttpAnswer Get(const Call& call) {
  const std::optional<v1::Session> session = Find(call);
  return session.has_value() ? Json(*session) : NotFound(NoSuch(call.names[0]));
}

HttpAnswer End(const Call& call) {
  const std::optional<v1::Session> session = Find(call);
  if (!session.has_value()) {
    return NotFound(NoSuch(call.names[0]));
  }
  v1::Session released;
  const auto objection = call.host.Release(session->id(), &released);
  return objection.has_value() ? Problem(*objection) : Json(released);
}

constexpr QueryParameter kCreateQuery[] = {
    {"dryRun", "string", "All: nothing is done, and the answer is a Placement", "All"},
};

constexpr OtherAnswer kCreateOthers[] = {
    {200, "Placement", "with ?dryRun=All: where it would go"},
    {200, "CreateSessionResponse", "with mayProbe: candidates, the way to which is to be measured"},
    {202, "CreateSessionResponse", "with waitSeconds: it has a place in the queue"},
};

constexpr char kCreateBody[] = R"({
  "spec": {"slice": {"share": 0.25, "memoryBytes": "67108864"}, "gpus": 1, "program": "train"},
  "keyDigest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
})";

constexpr Route kRoutes[] = {
    {"GET",
     "/v1/sessions",
     "sessions.list",
     "",
     "ListSessionsResponse",
     "all sessions, the oldest first",
     &List,
     {.query = kListQuery, .streams = "WatchEvent"}},
    {"POST",
     "/v1/sessions",
     "sessions.create",
     "CreateSessionRequest",
     "CreateSessionResponse",
     "a session, or a place in the queue",
     &Create,
     {.query = kCreateQuery, .body = kCreateBody, .status = 201, .others = kCreateOthers}},
    {"GET", "/v1/sessions/{id}", "sessions.get", "", "Session",
     "one session, by its id or the beginning of it", &Get},
    {"DELETE", "/v1/sessions/{id}", "sessions.end", "", "Session", "ends a session", &End},
};

}  // namespace

std::span<const Route> SessionRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
