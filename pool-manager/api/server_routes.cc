// SPDX-License-Identifier: Apache-2.0
// What is asked about GPU servers.
#include "pool-manager/api/answers.h"
#include "pool-manager/api/page.h"
#include "pool-manager/api/route.h"
#include "pool-manager/api/sight.h"
#include "pool-manager/api/watch_stream.h"
#include "pool-manager/core/server_orders.h"

namespace farlane::pool {
namespace {

HttpAnswer List(const Call& call) {
  PageRequest page;
  if (HttpAnswer problem; !ReadPageRequest(call.request, &page, &problem)) {
    return problem;
  }
  const Sight sight = SightOf(call);
  if (std::optional<HttpAnswer> watch = AnswerWatch(
          call.host, call.request, {.kind = WatchWish::Kind::kServers, .sight = sight})) {
    return *std::move(watch);
  }
  uint64_t version = 0;
  std::vector<v1::Server> servers = call.host.ListServers(&version);
  v1::ListServersResponse list;
  list.set_continue_(CutPage(page, &servers, [](const v1::Server& server) -> const std::string& {
    return server.inventory().server_id();
  }));
  list.set_resource_version(call.host.VersionText(version));
  for (v1::Server& server : servers) {
    sight.Cover(&server);
    *list.add_servers() = std::move(server);
  }
  return Json(list);
}

HttpAnswer Get(const Call& call) {
  const std::string& name = call.names[0];
  for (v1::Server& server : call.host.Servers()) {
    if (server.inventory().name() == name || server.inventory().server_id() == name) {
      SightOf(call).Cover(&server);
      return Json(server);
    }
  }
  return NotFound("server \"" + name + "\"");
}

HttpAnswer Change(const Call& call, const PoolHost::OrdersChange& change) {
  const auto objection = call.host.ChangeOrders(call.names[0], change);
  return objection.has_value() ? Problem(*objection) : Get(call);
}

HttpAnswer CordonServer(const Call& call) {
  return Change(call, [](v1::ServerOrders* orders) {
    Cordon(orders);
    return std::nullopt;
  });
}

HttpAnswer UncordonServer(const Call& call) {
  return Change(call, [](v1::ServerOrders* orders) {
    Uncordon(orders);
    return std::nullopt;
  });
}

HttpAnswer DrainServer(const Call& call) {
  v1::DrainServerRequest wanted;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wanted, &problem)) {
    return problem;
  }
  return Change(call, [&](v1::ServerOrders* orders) {
    Drain(orders, wanted, call.host.NowMs());
    return std::nullopt;
  });
}

HttpAnswer TaintServer(const Call& call) {
  v1::TaintServerRequest wanted;
  if (HttpAnswer problem; !ReadJson(call.request.body, &wanted, &problem)) {
    return problem;
  }
  return Change(call, [&wanted](v1::ServerOrders* orders) { return SetTaints(orders, wanted); });
}

constexpr Route kRoutes[] = {
    {"GET",
     "/v1/servers",
     "servers.list",
     "",
     "ListServersResponse",
     "all servers",
     &List,
     {.query = kListQuery, .streams = "WatchEvent"}},
    {"GET", "/v1/servers/{name}", "servers.get", "", "Server", "one server", &Get},
    {"POST", "/v1/servers/{name}:cordon", "servers.cordon", "", "Server",
     "keeps it from getting anything new", &CordonServer},
    {"POST", "/v1/servers/{name}:uncordon", "servers.uncordon", "", "Server",
     "ends that, and a drain", &UncordonServer},
    {"POST",
     "/v1/servers/{name}:drain",
     "servers.drain",
     "DrainServerRequest",
     "Server",
     "keeps it from getting anything new, and ends its sessions at the deadline",
     &DrainServer,
     {.body = R"({"deadlineSeconds": 600})"}},
    {"POST",
     "/v1/servers/{name}:taint",
     "servers.taint",
     "TaintServerRequest",
     "Server",
     "sets taints, and takes them away",
     &TaintServer,
     {.body = R"({"add": [{"key": "maintenance", "value": "fan", "effect": "NoPlace"}]})"}},
};

}  // namespace

std::span<const Route> ServerRoutes() {
  return kRoutes;
}

}  // namespace farlane::pool
