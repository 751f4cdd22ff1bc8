// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzzed_pool.h"

#include <cstdlib>
#include <fstream>

#include <stdlib.h>

#include "protocol/base/clock.h"
#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kTermNs = 20'000'000'000;
constexpr char kAdmin[] = "admin";
constexpr char kProject[] = "vision";

void Require(bool holds) {
  if (!holds) {
    abort();
  }
}

}  // namespace

FuzzedPool::FuzzedPool() : keys_(token::SigningKey::Make().value()) {
  SetLogLevel(LogLevel::kNone);
  char folder[] = "/dev/shm/farlane_routes_fuzz_XXXXXX";
  folder_ = mkdtemp(folder);
  SqliteStore::Options options;
  options.path = folder_ / "pool.db";
  store_ = SqliteStore::Open(options).value();
  Office::Settings settings;
  settings.guards.tokens.admin_token = kAdmin;
  settings.guards.audit.folder = folder_ / "audit";
  settings.guards.audit.sync = [](int) { return 0; };
  settings.guards.rotate = [](RecordStore&) {
    return Result<v1::RotateResponse>(v1::RotateResponse());
  };
  settings.guards.admit = [](const std::string& kind, const v1::JoinRequest&) {
    v1::JoinResponse response;
    response.set_certificate(kind);
    return Result<v1::JoinResponse>(response);
  };
  settings.pool.backup = [](const std::string& path) {
    std::ofstream(path) << "all of it";
    return Status::Ok();
  };
  settings.pool.scratch_dir = folder_;
  settings.store_kind = "sqlite";
  settings.sole = true;
  office_ = std::make_unique<Office>(*store_, settings, keys_);
  Require(office_->AwaitTerm(kTermNs));
  routes_ = std::make_unique<Routes>(*office_);
  AddServer('a');
  AddServer('b');
  AddPeople();
  AddWork();
}

FuzzedPool::~FuzzedPool() {
  for (uint64_t attachment : {1, 2}) {
    office_->Host()->Detach(std::string(32, attachment == 1 ? 'a' : 'b'), attachment);
  }
  routes_.reset();
  office_.reset();
  store_.reset();
  std::error_code unused;
  std::filesystem::remove_all(folder_, unused);
}

void FuzzedPool::AddServer(char digit) {
  v1::Inventory inventory;
  inventory.set_server_id(std::string(32, digit));
  inventory.set_name(digit == 'a' ? "one" : "two");
  inventory.add_addresses("tcp://" + inventory.name() + ":7450");
  v1::Device* const device = inventory.add_devices();
  device->set_uuid(std::string("GPU-") + digit);
  device->set_model("H100");
  device->set_memory_bytes(80ull << 30);
  device->set_compute_major(9);
  const uint64_t attachment = digit == 'a' ? 1 : 2;
  Require(office_->Host()->Attach(inventory, attachment, &line_).empty());
  office_->Host()->Hear(inventory.server_id(), attachment, {});
}

void FuzzedPool::AddPeople() {
  const Caller admin{.user = kAdmin, .roles = {Role::kPoolAdmin}, .project = "", .token_id = ""};
  const int64_t now_ms = WallMs();
  for (const Role role : kRoles) {
    v1::CreateTokenRequest wish;
    wish.set_user("ann");
    wish.add_roles(RoleName(role));
    wish.set_project(role == Role::kProjectAdmin || role == Role::kUser ? kProject : "");
    const auto made = office_->Watch()->tokens().Make(wish, admin, now_ms);
    people_.push_back(
        {.authorization = "Bearer " + made.value().secret(),
         .caller = {.user = "ann", .roles = {role}, .project = wish.project(), .token_id = ""}});
  }
  people_.push_back({.authorization = std::string("Bearer ") + kAdmin, .caller = admin});
  v1::CreateJoinKeyRequest newcomer;
  newcomer.set_lifetime_seconds(JoinDesk::kLifetimeSecondsMax);
  people_.push_back(
      {.authorization =
           "Bearer " + office_->Watch()->joins().Make(newcomer, admin, now_ms).value().secret(),
       .caller = {.user = "newcomer", .roles = {}, .project = "", .token_id = "", .joins = true}});
  people_.push_back({.authorization = "Bearer flp1.no", .caller = {}, .is_stranger = true});
}

// A project with people in it, a session that runs, and two that wait.
void FuzzedPool::AddWork() {
  HttpRequest request;
  request.authorization = std::string("Bearer ") + kAdmin;
  request.method = "PUT";
  request.path = std::string("/v1/projects/") + kProject;
  request.body = R"({"quota": {"guaranteed": {"gpus": 0.5}, "limit": {"gpus": 2}}})";
  Require(Ask(request).status == 200);
  request.method = "POST";
  request.path = "/v1/sessions";
  for (const char* const key : {"one", "two", "three", "four"}) {
    request.idempotency_key = key;
    request.body = R"({"spec": {"slice": {"share": 0.9}, "project": "vision"}, "waitSeconds": 600,)"
                   R"("keyDigest": ")" +
                   std::string(64, 'a') + R"("})";
    Require(Ask(request).status / 100 == 2);
  }
}

}  // namespace farlane::pool
