// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/routes.h"

#include <google/protobuf/util/json_util.h>

#include "pool-manager/core/same_secret.h"

namespace farlane::pool {
namespace {

constexpr char kSessions[] = "/v1/sessions";
constexpr char kServers[] = "/v1/servers";

HttpAnswer Json(const google::protobuf::Message& message, unsigned status = 200) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  HttpAnswer answer{.status = status, .body = {}};
  const bool printed =
      google::protobuf::util::MessageToJsonString(message, &answer.body, options).ok();
  answer.body += '\n';
  return printed ? answer : HttpAnswer{.status = 500, .body = "{}\n"};
}

HttpAnswer Problem(unsigned status,
                   const std::string& reason,
                   const std::string& detail,
                   const std::vector<std::string>& explain = {}) {
  v1::Problem problem;
  problem.set_type("about:blank");
  problem.set_title(reason);
  problem.set_status(status);
  problem.set_reason(reason);
  problem.set_detail(detail);
  for (const std::string& line : explain) {
    problem.add_explain(line);
  }
  const bool passes = status == 503;
  problem.set_retry_after_seconds(passes ? 1 : 0);
  HttpAnswer answer = Json(problem, status);
  answer.type = "application/problem+json";
  answer.retry_after_seconds = passes ? 1 : 0;
  return answer;
}

HttpAnswer Problem(const Objection& objection) {
  switch (objection.kind) {
    case Objection::Kind::kInvalid:
      return Problem(400, objection.reason, objection.detail, objection.explain);
    case Objection::Kind::kNotFound:
      return Problem(404, objection.reason, objection.detail, objection.explain);
    case Objection::Kind::kConflict:
      return Problem(409, objection.reason, objection.detail, objection.explain);
    default:
      return Problem(503, objection.reason, objection.detail, objection.explain);
  }
}

HttpAnswer NotAllowed(const std::string& allowed) {
  return Problem(405, "MethodNotAllowed", "here one can only " + allowed);
}

HttpAnswer NotFound(const std::string& what) {
  return Problem(404, "NotFound", "there is no " + what);
}

HttpAnswer AnswerSessions(PoolHost& host, const HttpRequest& request) {
  if (request.method == "GET") {
    v1::ListSessionsResponse list;
    for (v1::Session& session : host.Sessions()) {
      *list.add_sessions() = std::move(session);
    }
    return Json(list);
  }
  if (request.method != "POST") {
    return NotAllowed("GET and POST");
  }
  v1::CreateSessionRequest wanted;
  const auto read = google::protobuf::util::JsonStringToMessage(request.body, &wanted);
  if (!read.ok()) {
    return Problem(400, "Invalid", "the body is not a CreateSessionRequest: " + read.ToString());
  }
  const auto dry_run = request.query.find("dryRun");
  if (dry_run != request.query.end() && dry_run->second != "All") {
    return Problem(400, "Invalid", "dryRun can only be All");
  }
  if (dry_run != request.query.end()) {
    v1::Placement placement;
    const auto objection = host.Consider(wanted, &placement);
    return objection.has_value() ? Problem(*objection) : Json(placement);
  }
  v1::CreateSessionResponse response;
  const auto objection = host.Create(wanted, "", &response);
  return objection.has_value() ? Problem(*objection) : Json(response, 201);
}

HttpAnswer AnswerSession(PoolHost& host, const HttpRequest& request, const std::string& id) {
  const std::optional<v1::Session> session = host.FindSession(id);
  if (!session.has_value()) {
    return NotFound("session \"" + id + "\", or several begin so");
  }
  if (request.method == "GET") {
    return Json(*session);
  }
  if (request.method != "DELETE") {
    return NotAllowed("GET and DELETE");
  }
  v1::Session released;
  const auto objection = host.Release(session->id(), &released);
  return objection.has_value() ? Problem(*objection) : Json(released);
}

HttpAnswer AnswerServers(PoolHost& host, const HttpRequest& request) {
  if (request.method != "GET") {
    return NotAllowed("GET");
  }
  v1::ListServersResponse list;
  for (v1::Server& server : host.Servers()) {
    *list.add_servers() = std::move(server);
  }
  return Json(list);
}

HttpAnswer AnswerServer(PoolHost& host,
                        const HttpRequest& request,
                        const std::string& name,
                        const std::string& verb) {
  if (verb == "cordon" || verb == "uncordon") {
    if (request.method != "POST") {
      return NotAllowed("POST");
    }
    if (const auto objection = host.Cordon(name, verb == "cordon")) {
      return Problem(*objection);
    }
  } else if (!verb.empty()) {
    return NotFound("verb \"" + verb + "\"; a server can be :cordon and :uncordon");
  } else if (request.method != "GET") {
    return NotAllowed("GET");
  }
  for (const v1::Server& server : host.Servers()) {
    if (server.inventory().name() == name || server.inventory().server_id() == name) {
      return Json(server);
    }
  }
  return NotFound("server \"" + name + "\"");
}

}  // namespace

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
  const std::shared_ptr<PoolHost> host = office_.Host();
  if (host == nullptr) {
    return NotLeading();
  }
  if (request.path == "/v1/status") {
    return request.method == "GET" ? Json(host->Status()) : NotAllowed("GET");
  }
  if (request.path == kSessions) {
    return AnswerSessions(*host, request);
  }
  if (request.path == kServers) {
    return AnswerServers(*host, request);
  }
  const std::string sessions = std::string(kSessions) + "/";
  if (request.path.starts_with(sessions)) {
    return AnswerSession(*host, request, request.path.substr(sessions.size()));
  }
  const std::string servers = std::string(kServers) + "/";
  if (request.path.starts_with(servers)) {
    const std::string rest = request.path.substr(servers.size());
    const size_t colon = rest.rfind(':');
    return colon == std::string::npos
               ? AnswerServer(*host, request, rest, "")
               : AnswerServer(*host, request, rest.substr(0, colon), rest.substr(colon + 1));
  }
  return NotFound("such path; the API is at /v1/status, /v1/sessions and /v1/servers");
}

}  // namespace farlane::pool
