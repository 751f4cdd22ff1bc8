// SPDX-License-Identifier: Apache-2.0
// Requests of people, as strangers make them: to a pool with one server, in this process. The first
// byte says who asks, the second what: one of the routes, or any method and path. Whatever
// comes, the answer is one of HTTP's, and who shows no token changes nothing and is told nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>
#include <unistd.h>

#include "pool-manager/api/route.h"
#include "pool-manager/api/routes.h"
#include "pool-manager/store/sqlite_store.h"
#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

class DeafLine : public ServerLine {
 public:
  void Say(v1::ToServer) override {}

  void End() override {}
};

// One for the whole run.
class FuzzedPool {
 public:
  FuzzedPool() : keys_(token::SigningKey::Make().value()) {
    SetLogLevel(LogLevel::kNone);
    char folder[] = "/dev/shm/farlane_routes_fuzz_XXXXXX";
    folder_ = mkdtemp(folder);
    SqliteStore::Options options;
    options.path = folder_ + "/pool.db";
    store_ = SqliteStore::Open(options).value();
    Office::Settings settings;
    settings.guards.tokens.admin_token = "admin";
    settings.guards.audit.folder = folder_ + "/audit";
    settings.guards.audit.sync = [](int) { return 0; };
    settings.guards.admit = [](const std::string& kind, const v1::JoinRequest&) {
      v1::JoinResponse response;
      response.set_certificate(kind);
      return Result<v1::JoinResponse>(response);
    };
    settings.store_kind = "sqlite";
    settings.sole = true;
    office_ = std::make_unique<Office>(*store_, settings, keys_);
    if (!office_->AwaitTerm(20'000'000'000)) {
      abort();
    }
    routes_ = std::make_unique<Routes>(*office_);
    v1::Inventory inventory;
    inventory.set_server_id(std::string(32, 'a'));
    inventory.set_name("one");
    inventory.add_addresses("tcp://one:7450");
    v1::Device* const device = inventory.add_devices();
    device->set_uuid("GPU-1");
    device->set_model("H100");
    device->set_memory_bytes(80ull << 30);
    if (!office_->Host()->Attach(inventory, 1, &line_).empty()) {
      abort();
    }
    office_->Host()->Hear(inventory.server_id(), 1, {});
    Caller admin{.user = "admin", .roles = {Role::kPoolAdmin}, .project = "", .token_id = ""};
    v1::CreateJoinKeyRequest newcomer;
    newcomer.set_lifetime_seconds(JoinDesk::kLifetimeSecondsMax);
    join_key_ =
        office_->Watch()->joins().Make(newcomer, admin, WallTime().tv_sec * 1000).value().secret();
    for (const Role role : kRoles) {
      v1::CreateTokenRequest wish;
      wish.set_user("ann");
      wish.add_roles(RoleName(role));
      wish.set_project(role == Role::kProjectAdmin || role == Role::kUser ? "vision" : "");
      secrets_.push_back(
          office_->Watch()->tokens().Make(wish, admin, WallTime().tv_sec * 1000).value().secret());
    }
  }

  // Whoever the byte says: somebody of a role, the admin, a newcomer; the last shows nothing good.
  std::string Who(uint8_t byte) const {
    const size_t who = byte % kWho;
    return who < kRoles.size()        ? "Bearer " + secrets_[who]
           : who == kRoles.size()     ? "Bearer admin"
           : who == kRoles.size() + 1 ? "Bearer " + join_key_
                                      : "Bearer flp1.no";
  }

  static bool IsStranger(uint8_t byte) { return byte % kWho == kWho - 1; }

  HttpAnswer Ask(const HttpRequest& request) { return routes_->Answer(request); }

 private:
  static constexpr size_t kWho = kRoles.size() + 3;

  std::string folder_;
  SigningKeys keys_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Office> office_;
  std::unique_ptr<Routes> routes_;
  DeafLine line_;
  std::vector<std::string> secrets_;
  std::string join_key_;
};

// Up to the next zero.
std::string TakeText(std::string* rest) {
  const size_t end = std::min(rest->find('\0'), rest->size());
  std::string text = rest->substr(0, end);
  rest->erase(0, std::min(end + 1, rest->size()));
  return text;
}

int Try(const uint8_t* data, size_t size) {
  static FuzzedPool* const pool = new FuzzedPool;
  if (size < 2) {
    return 0;
  }
  std::string rest(reinterpret_cast<const char*>(data + 2), size - 2);
  HttpRequest request;
  request.authorization = pool->Who(data[0]);
  const std::vector<Route>& routes = AllRoutes();
  if (data[1] < 200) {
    const Route& route = routes[data[1] % routes.size()];
    request.method = route.method;
    request.path = route.path;
    if (const size_t at = request.path.find('{'); at != std::string::npos) {
      const std::string name = TakeText(&rest);
      request.path.replace(at, request.path.find('}') - at + 1, name.empty() ? "one" : name);
    }
    if (data[1] >= 150) {
      request.query["dryRun"] = "All";
      request.query["limit"] = TakeText(&rest);
    }
  } else {
    request.method = TakeText(&rest);
    request.path = TakeText(&rest);
    const std::string name = TakeText(&rest);
    request.query[name] = TakeText(&rest);
  }
  request.body = rest;
  const HttpAnswer answer = pool->Ask(request);
  const bool open = request.path == "/healthz";
  if (answer.status < 200 || answer.status > 599 || answer.body.empty() ||
      (FuzzedPool::IsStranger(data[0]) && !open && answer.status != 401)) {
    abort();
  }
  return 0;
}

}  // namespace
}  // namespace farlane::pool

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return farlane::pool::Try(data, size);
}
