// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/trust/server_roll.h"

namespace farlane::pool {
namespace {

constexpr char kPrefix[] = "/farlane/certified/";

}  // namespace

Result<std::unique_ptr<ServerRoll>> ServerRoll::Open(RecordStore& store) {
  FARLANE_ASSIGN(const std::vector<KeyValue> stored, store.List(kPrefix));
  std::unique_ptr<ServerRoll> roll(new ServerRoll(store));
  Servers servers;
  for (const KeyValue& item : stored) {
    v1::ServerRecord server;
    if (!server.ParseFromString(item.value) || server.server_id().empty()) {
      return Status(StatusCode::kCorrupt, "what is stored at " + item.key + " is no server");
    }
    servers[server.server_id()] = server;
  }
  roll->servers_.With([&](Servers& own) { own = std::move(servers); });
  return roll;
}

bool ServerRoll::Has(const std::string& server_id) const {
  return servers_.With([&](const Servers& servers) { return servers.contains(server_id); });
}

bool ServerRoll::IsRevoked(const std::string& server_id) const {
  return servers_.With([&](const Servers& servers) {
    const auto found = servers.find(server_id);
    return found != servers.end() && found->second.revoked_ms() != 0;
  });
}

Status ServerRoll::Put(const v1::ServerRecord& server) {
  return turn_.With([&](Turn& /*turn*/) -> Status {
    if (IsRevoked(server.server_id())) {
      return Status::Ok();  // it stays so
    }
    FARLANE_TRY(
        store_.Commit({Operation::Put(kPrefix + server.server_id(), server.SerializeAsString())}));
    servers_.With([&server](Servers& servers) { servers[server.server_id()] = server; });
    return Status::Ok();
  });
}

Status ServerRoll::Enter(const v1::ServerRecord& server) {
  return Has(server.server_id()) ? Status::Ok() : Put(server);
}

Result<v1::ServerRecord> ServerRoll::Revoke(const std::string& server_id,
                                            const std::string& name,
                                            const std::string& by,
                                            int64_t now_ms) {
  v1::ServerRecord server = servers_.With([&](const Servers& servers) {
    const auto found = servers.find(server_id);
    return found == servers.end() ? v1::ServerRecord() : found->second;
  });
  if (server.revoked_ms() == 0) {
    server.set_server_id(server_id);
    server.set_name(name);
    server.set_revoked_by(by);
    server.set_revoked_ms(now_ms);
    FARLANE_TRY(Put(server));
  }
  return server;
}

}  // namespace farlane::pool
