// SPDX-License-Identifier: Apache-2.0
// What is asked about tokens, about what somebody may do, about the audit log and keys.
#include <algorithm>
#include <charconv>

#include "pool-manager/api/answers.h"
#include "pool-manager/api/route.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

constexpr size_t kAuditLines = 100;
constexpr size_t kAuditLinesMax = 10'000;

HttpAnswer ListTokens(const Call& call) {
  v1::ListTokensResponse list;
  for (v1::ApiToken& token : call.guards.tokens().List(call.caller)) {
    *list.add_tokens() = std::move(token);
  }
  return Json(list);
}

bool IsProject(const Call& call, const std::string& name) {
  const std::vector<v1::ProjectStatus> all = call.host.Projects();
  return std::any_of(all.begin(), all.end(), [&name](const v1::ProjectStatus& one) {
    return one.project().name() == name && !one.project().is_org();
  });
}

HttpAnswer CreateToken(const Call& call) {
  v1::CreateTokenRequest wish;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wish, &problem)) {
    return problem;
  }
  if (wish.project().empty()) {
    wish.set_project(call.caller.project);
  }
  if (!wish.project().empty() && call.caller.MayWith(Verb::kTokenCreate, wish.project(), "") &&
      !IsProject(call, wish.project())) {
    return NotFound("project \"" + wish.project() + "\"");
  }
  const Result<v1::CreateTokenResponse> made =
      call.guards.tokens().Make(wish, call.caller, WallMs());
  if (!made.ok()) {
    return Problem(made.error());
  }
  HttpAnswer answer = Json(made.value(), 201);
  answer.object = made.value().token().id();
  return answer;
}

HttpAnswer RevokeToken(const Call& call) {
  const Result<v1::ApiToken> revoked = call.guards.tokens().Revoke(call.names[0], call.caller);
  return revoked.ok() ? Json(revoked.value()) : Problem(revoked.error());
}

HttpAnswer AnswerWhoAmI(const Call& call) {
  v1::WhoAmI who;
  who.set_user(call.caller.user);
  who.set_service_account(call.caller.service_account);
  for (const Role role : call.caller.roles) {
    who.add_roles(RoleName(role));
  }
  who.set_project(call.caller.project);
  who.set_token_id(call.caller.token_id);
  who.set_expires_ms(call.caller.expires_ms);
  return Json(who);
}

HttpAnswer ListPermissions(const Call& call) {
  v1::ListPermissionsResponse list;
  const auto wanted = call.request.query.find("verb");
  for (const Verb verb : kVerbs) {
    if (wanted != call.request.query.end() && wanted->second != VerbName(verb)) {
      continue;
    }
    v1::Permission* const permission = list.add_permissions();
    permission->set_verb(VerbName(verb));
    permission->set_reach(ReachName(call.caller.ReachFor(verb)));
    permission->set_allowed(call.caller.May(verb));
  }
  return list.permissions().empty() ? NotFound("verb \"" + wanted->second + "\"") : Json(list);
}

HttpAnswer ListAudit(const Call& call) {
  size_t count = kAuditLines;
  if (const auto limit = call.request.query.find("limit"); limit != call.request.query.end()) {
    const char* const end = limit->second.data() + limit->second.size();
    const auto read = std::from_chars(limit->second.data(), end, count);
    if (read.ec != std::errc() || read.ptr != end || count > kAuditLinesMax) {
      return Problem(400, "Invalid", "limit is a number up to " + std::to_string(kAuditLinesMax));
    }
  }
  const Result<std::vector<v1::AuditRecord>> last = call.guards.audit().Last(count);
  if (!last.ok()) {
    return Problem(500, "Corrupt", last.error().message());
  }
  v1::ListAuditResponse list;
  for (const v1::AuditRecord& record : last.value()) {
    *list.add_records() = record;
  }
  return Json(list);
}

HttpAnswer VerifyAuditLog(const Call& call) {
  const Result<v1::AuditVerdict> verdict = call.guards.VerifyLog();
  return verdict.ok() ? Json(verdict.value()) : Problem(verdict.error());
}

HttpAnswer RotateKeys(const Call& call) {
  const Result<v1::RotateResponse> rotated = call.guards.Rotate();
  return rotated.ok() ? Json(rotated.value()) : Problem(rotated.error());
}

constexpr QueryParameter kVerbQuery[] = {
    {"verb", "string", "with this verb only", "session.create"}};
constexpr QueryParameter kAuditQuery[] = {{"limit", "integer", "so many at most [100]", "10"}};
constexpr char kTokenBody[] =
    R"({"user": "ci", "serviceAccount": true, "roles": ["user"], "lifetimeSeconds": "3600"})";

constexpr Route kRoutes[] = {
    {"GET", "/v1/tokens", "tokens.list", "", "ListTokensResponse", "the tokens that one may see",
     &ListTokens},
    {"POST",
     "/v1/tokens",
     "tokens.create",
     "CreateTokenRequest",
     "CreateTokenResponse",
     "a token; its secret is shown this once",
     &CreateToken,
     {.body = kTokenBody, .status = 201}},
    {"DELETE", "/v1/tokens/{id}", "tokens.revoke", "", "ApiToken", "ends a token", &RevokeToken},
    {"GET", "/v1/whoami", "access.whoami", "", "WhoAmI", "who one is", &AnswerWhoAmI},
    {"GET",
     "/v1/permissions",
     "access.permissions",
     "",
     "ListPermissionsResponse",
     "what one may do",
     &ListPermissions,
     {.query = kVerbQuery}},
    {"GET",
     "/v1/audit",
     "audit.list",
     "",
     "ListAuditResponse",
     "the last records of the audit log",
     &ListAudit,
     {.query = kAuditQuery}},
    {"GET", "/v1/audit:verify", "audit.verify", "", "AuditVerdict",
     "whether the audit log is whole", &VerifyAuditLog},
    {"POST", "/v1/keys:rotate", "keys.rotate", "", "RotateResponse",
     "new keys for tokens and certificates", &RotateKeys},
};

}  // namespace

std::span<const Route> AccessRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
