// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/routes.h"

#include <google/protobuf/util/json_util.h>

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

// Of two texts of the same size it takes the same time, wherever they differ.
bool IsSame(const std::string& one, const std::string& other) {
  unsigned char differences = one.size() == other.size() ? 0 : 1;
  for (size_t i = 0; i < one.size() && i < other.size(); ++i) {
    differences |= static_cast<unsigned char>(one[i] ^ other[i]);
  }
  return differences == 0;
}

}  // namespace

bool Routes::IsAllowed(const HttpRequest& request) const {
  return token_.empty() || IsSame("Bearer " + token_, request.authorization);
}

HttpAnswer Routes::Answer(const HttpRequest& request) const {
  if (request.path == "/healthz") {
    return {.status = 200, .body = "ok\n", .type = "text/plain"};
  }
  if (!IsAllowed(request)) {
    return Problem(401, "Unauthenticated", "this pool asks for a token (FARLANE_POOL_TOKEN)");
  }
  if (request.path == "/v1/status") {
    return request.method == "GET" ? Json(host_.Status()) : NotAllowed("GET");
  }
  if (request.path == kSessions) {
    return AnswerSessions(request);
  }
  if (request.path == kServers) {
    return AnswerServers(request);
  }
  const std::string sessions = std::string(kSessions) + "/";
  if (request.path.starts_with(sessions)) {
    return AnswerSession(request, request.path.substr(sessions.size()));
  }
  const std::string servers = std::string(kServers) + "/";
  if (request.path.starts_with(servers)) {
    const std::string rest = request.path.substr(servers.size());
    const size_t colon = rest.rfind(':');
    return colon == std::string::npos
               ? AnswerServer(request, rest, "")
               : AnswerServer(request, rest.substr(0, colon), rest.substr(colon + 1));
  }
  return NotFound("such path; the API is at /v1/status, /v1/sessions and /v1/servers");
}

HttpAnswer Routes::AnswerSessions(const HttpRequest& request) const {
  if (request.method == "GET") {
    v1::ListSessionsResponse list;
    for (v1::Session& session : host_.Sessions()) {
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
  v1::CreateSessionResponse response;
  const auto objection = host_.Create(wanted, "", &response);
  return objection.has_value() ? Problem(*objection) : Json(response, 201);
}

HttpAnswer Routes::AnswerSession(const HttpRequest& request, const std::string& id) const {
  const std::optional<v1::Session> session = host_.FindSession(id);
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
  const auto objection = host_.Release(session->id(), &released);
  return objection.has_value() ? Problem(*objection) : Json(released);
}

HttpAnswer Routes::AnswerServers(const HttpRequest& request) const {
  if (request.method != "GET") {
    return NotAllowed("GET");
  }
  v1::ListServersResponse list;
  for (v1::Server& server : host_.Servers()) {
    *list.add_servers() = std::move(server);
  }
  return Json(list);
}

HttpAnswer Routes::AnswerServer(const HttpRequest& request,
                                const std::string& name,
                                const std::string& verb) const {
  if (verb == "cordon" || verb == "uncordon") {
    if (request.method != "POST") {
      return NotAllowed("POST");
    }
    if (const auto objection = host_.Cordon(name, verb == "cordon")) {
      return Problem(*objection);
    }
  } else if (!verb.empty()) {
    return NotFound("verb \"" + verb + "\"; a server can be :cordon and :uncordon");
  } else if (request.method != "GET") {
    return NotAllowed("GET");
  }
  for (const v1::Server& server : host_.Servers()) {
    if (server.inventory().name() == name || server.inventory().server_id() == name) {
      return Json(server);
    }
  }
  return NotFound("server \"" + name + "\"");
}

}  // namespace farlane::pool
