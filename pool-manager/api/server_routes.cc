// SPDX-License-Identifier: Apache-2.0
// What is asked about GPU servers.
#include "pool-manager/api/answers.h"
#include "pool-manager/api/route.h"

namespace farlane::pool {
namespace {

HttpAnswer List(const Call& call) {
  v1::ListServersResponse list;
  for (v1::Server& server : call.host.Servers()) {
    *list.add_servers() = std::move(server);
  }
  return Json(list);
}

HttpAnswer Get(const Call& call) {
  const std::string& name = call.names[0];
  for (const v1::Server& server : call.host.Servers()) {
    if (server.inventory().name() == name || server.inventory().server_id() == name) {
      return Json(server);
    }
  }
  return NotFound("server \"" + name + "\"");
}

HttpAnswer SetCordon(const Call& call, bool cordoned) {
  const auto objection = call.host.Cordon(call.names[0], cordoned);
  return objection.has_value() ? Problem(*objection) : Get(call);
}

HttpAnswer Cordon(const Call& call) {
  return SetCordon(call, true);
}

HttpAnswer Uncordon(const Call& call) {
  return SetCordon(call, false);
}

constexpr Route kRoutes[] = {
    {"GET", "/v1/servers", "servers.list", "", "ListServersResponse", "all servers", &List},
    {"GET", "/v1/servers/{name}", "servers.get", "", "Server", "one server", &Get},
    {"POST", "/v1/servers/{name}:cordon", "servers.cordon", "", "Server",
     "keeps it from getting anything new", &Cordon},
    {"POST", "/v1/servers/{name}:uncordon", "servers.uncordon", "", "Server", "ends that",
     &Uncordon},
};

}  // namespace

std::span<const Route> ServerRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
