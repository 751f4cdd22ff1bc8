// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/routes.h"

#include "pool-manager/api/answers.h"
#include "pool-manager/api/known_stream.h"
#include "pool-manager/api/open_api.h"
#include "pool-manager/api/route.h"
#include "pool-manager/api/route_access.h"
#include "protocol/base/clock.h"
#include "protocol/base/sha256.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

// What a stranger sends is not kept longer than anybody would read.
constexpr size_t kTextMax = 256;

// What people send need not be a text; what is written as JSON must be one.
std::string Shown(const std::string& text) {
  std::string shown = text.substr(0, kTextMax);
  for (char& letter : shown) {
    const auto value = static_cast<unsigned char>(letter);
    letter = value < ' ' || value > '~' ? '?' : letter;
  }
  return shown;
}

v1::AuditRecord RecordOf(const HttpRequest& request, const Caller* caller_or_null) {
  v1::AuditRecord record;
  record.set_address(request.address);
  record.set_request(Shown(request.method + " " + request.path));
  if (caller_or_null != nullptr) {
    record.set_actor(caller_or_null->user);
    record.set_roles(caller_or_null->RoleText());
    record.set_project(caller_or_null->project);
    record.set_token_id(caller_or_null->token_id);
  }
  return record;
}

HttpAnswer Refuse(AuditLog& audit,
                  const HttpRequest& request,
                  const Caller* caller_or_null,
                  const char* verb,
                  HttpAnswer answer) {
  v1::AuditRecord record = RecordOf(request, caller_or_null);
  record.set_verb(verb);
  record.set_status(answer.status);
  record.set_detail(Shown(answer.detail));
  audit.NoteRefusal(std::move(record));
  return answer;
}

// What changes something: first the log, then the deed, then what became of it.
HttpAnswer Change(const Route& route, Verb verb, const Call& call) {
  AuditLog& audit = call.guards.audit();
  v1::AuditRecord record = RecordOf(call.request, &call.caller);
  record.set_kind("asked");
  record.set_verb(VerbName(verb));
  record.set_object(call.names.empty() ? "" : Shown(call.names[0]));
  record.set_body_sha256(control::Hex(Sha256(std::as_bytes(std::span(call.request.body)))));
  const Result<uint64_t> asked = audit.Ask(record);
  if (!asked.ok()) {
    return Problem(
        503, "AuditFailed",
        "nothing was done, because it cannot be written down: " + asked.error().message());
  }
  HttpAnswer answer = route.answer(call);
  record.set_kind(answer.status == 403 ? "refused" : "done");
  record.set_of(asked.value());
  record.clear_body_sha256();
  record.clear_time_ms();
  record.set_status(answer.status);
  record.set_detail(Shown(answer.detail));
  if (!answer.object.empty()) {
    record.set_object(answer.object);
  }
  audit.Note(std::move(record));
  return answer;
}

// A request that is understood, of somebody who is known.
HttpAnswer Admit(const Route& route, const Call& call) {
  const std::optional<RouteAccess> access = AccessOf(route, call.request);
  if (!access.has_value() || !call.caller.May(access->verb)) {
    const char* const verb = access.has_value() ? VerbName(access->verb) : route.verb;
    return Refuse(call.guards.audit(), call.request, &call.caller, verb,
                  Problem(403, "Forbidden",
                          "\"" + call.caller.user + "\" (" + call.caller.RoleText() +
                              ") may not do " + verb));
  }
  return access->is_logged ? Change(route, access->verb, call) : route.answer(call);
}

}  // namespace

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
  if (request.path == kOpenApiPath && request.method == "GET") {
    return OpenApiAnswer();  // nothing in it is the pool's own, and one that stands by knows it,
                             // too
  }
  const std::shared_ptr<PoolHost> host = office_.Host();
  const std::shared_ptr<Guards> guards = office_.Watch();
  if (host == nullptr || guards == nullptr) {
    return NotLeading();
  }
  const Result<Caller> caller =
      guards->Recognize(request.authorization, request.local_user, WallMs());
  if (!caller.ok()) {
    const std::string foreign = request.foreign_host.empty() || !request.authorization.empty()
                                    ? ""
                                    : "; the request is for \"" + Shown(request.foreign_host) +
                                          "\", which is no name of this manager's (--tls-name)";
    return Refuse(guards->audit(), request, nullptr, "",
                  Problem(401, "Unauthenticated", caller.error().message() + foreign));
  }
  std::string others;  // methods that there are for this path
  for (const Route& route : AllRoutes()) {
    std::vector<std::string> names;
    if (!PathMatches(route.path, request.path, &names)) {
      continue;
    }
    if (request.method == route.method) {
      const Caller& who = caller.value();
      HttpAnswer answer = Admit(route, {*host, request, std::move(names), who.user, who, *guards});
      if (answer.stream != nullptr) {
        answer.stream = std::make_shared<KnownStream>(std::move(answer.stream), guards, request);
      }
      return answer;
    }
    others += (others.empty() ? "" : " and ") + std::string(route.method);
  }
  return others.empty() ? NotFound("such path as " + Shown(request.path) +
                                   "; docs/pool.md has those there are")
                        : Problem(405, "MethodNotAllowed", "here one can only " + others);
}

}  // namespace farlane::pool
