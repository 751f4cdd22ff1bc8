// SPDX-License-Identifier: Apache-2.0
// What is asked about those who join the pool, and by them.
#include "pool-manager/api/answers.h"
#include "pool-manager/api/route.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

HttpAnswer ListJoinKeys(const Call& call) {
  v1::ListJoinKeysResponse list;
  for (v1::JoinKey& key : call.guards.joins().List()) {
    *list.add_keys() = std::move(key);
  }
  return Json(list);
}

HttpAnswer CreateJoinKey(const Call& call) {
  v1::CreateJoinKeyRequest wish;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wish, &problem)) {
    return problem;
  }
  const Result<v1::CreateJoinKeyResponse> made =
      call.guards.joins().Make(wish, call.caller, WallMs());
  if (!made.ok()) {
    return Problem(made.error());
  }
  HttpAnswer answer = Json(made.value(), 201);
  answer.object = made.value().key().id();
  return answer;
}

HttpAnswer RevokeJoinKey(const Call& call) {
  const Result<v1::JoinKey> revoked = call.guards.joins().Revoke(call.names[0]);
  return revoked.ok() ? Json(revoked.value()) : Problem(revoked.error());
}

HttpAnswer Join(const Call& call) {
  v1::JoinRequest wish;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wish, &problem)) {
    return problem;
  }
  const Result<v1::JoinResponse> joined =
      call.guards.Join(Guards::SecretOf(call.request.authorization), "", wish, WallMs());
  if (!joined.ok()) {
    return Problem(joined.error());
  }
  HttpAnswer answer = Json(joined.value());
  answer.object = wish.id();
  answer.detail = joined.value().kind();
  return answer;
}

HttpAnswer RevokeServer(const Call& call) {
  const std::string& name = call.names[0];
  for (const v1::Server& server : call.host.Servers()) {
    const v1::Inventory& own = server.inventory();
    if (own.name() != name && own.server_id() != name) {
      continue;
    }
    // First nobody can come as this server any more; then whoever is here as it has to go.
    const Result<v1::ServerRecord> revoked =
        call.guards.Revoke(own.server_id(), own.name(), call.caller.user, WallMs());
    if (!revoked.ok()) {
      return Problem(revoked.error());
    }
    call.host.Expel(own.server_id(), "its certificate was revoked");
    HttpAnswer answer = Json(revoked.value());
    answer.object = own.server_id();
    return answer;
  }
  return NotFound("server \"" + name + "\"");
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/join-keys", "join-keys.list", "", "ListJoinKeysResponse",
     "the keys by which newcomers join", &ListJoinKeys},
    {"POST",
     "/v1/join-keys",
     "join-keys.create",
     "CreateJoinKeyRequest",
     "CreateJoinKeyResponse",
     "a key by which one newcomer joins; its secret is shown this once",
     &CreateJoinKey,
     {.body = R"({"kind": "server", "lifetimeSeconds": "600", "note": "gpu7"})", .status = 201}},
    {"DELETE", "/v1/join-keys/{id}", "join-keys.revoke", "", "JoinKey",
     "ends a key that nobody has joined by yet", &RevokeJoinKey},
    {"POST",
     "/v1/pool:join",
     "pool.join",
     "JoinRequest",
     "JoinResponse",
     "what a newcomer needs, for a join key in place of a token",
     &Join,
     {.body =
          R"({"id": "0123456789abcdef0123456789abcdef", "request": "-----BEGIN CERTIFICATE REQUEST-----"})"}},
    {"POST", "/v1/servers/{name}:revoke", "servers.revoke", "", "ServerRecord",
     "ends what a server's certificates are worth, and its connection", &RevokeServer},
};

}  // namespace

std::span<const Route> JoinRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
