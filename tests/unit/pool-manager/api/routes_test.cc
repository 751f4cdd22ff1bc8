// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/routes.h"

#include <csignal>
#include <fstream>
#include <regex>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pool-manager/api/route.h"
#include "pool-manager/api/route_access.h"
#include "pool-manager/store/sqlite_store.h"
#include "tests/support/silent_line.h"
#include "tests/unit/pool-manager/store/scratch_folder.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kTermNs = 20'000'000'000;
constexpr char kAdminToken[] = "the admin's own";

// A server's stream that nobody reads.
class DeafLine : public SilentLine {
 public:
  void Expel(v1::ToServer say) override { expelled_because = say.expelled().reason(); }

  std::string expelled_because;
};

// A pool with one server that has room for much, as people see it over HTTP.
class RoutesTest : public testing::Test {
 protected:
  void SetUp() override {
    SqliteStore::Options options;
    options.path = scratch_.Of("pool.db");
    store_ = SqliteStore::Open(options).value();
    Office::Settings settings;
    settings.guards.tokens.admin_token = kAdminToken;
    settings.pool.backup = [](const std::string& path) {
      std::ofstream(path) << "all of it";
      return Status::Ok();
    };
    settings.pool.scratch_dir = scratch_.Of("");
    settings.guards.rotate = [](RecordStore&) {
      return Result<v1::RotateResponse>(v1::RotateResponse());
    };
    settings.guards.admit = [](const std::string& kind, const v1::JoinRequest& wish) {
      v1::JoinResponse response;
      response.set_certificate(kind + " " + wish.id());
      return Result<v1::JoinResponse>(response);
    };
    settings.guards.audit.folder = scratch_.Of("audit");
    settings.guards.audit.manager = "one";
    settings.store_kind = "sqlite";
    settings.sole = true;
    office_ = std::make_unique<Office>(*store_, settings, keys_);
    ASSERT_TRUE(office_->AwaitTerm(kTermNs));
    routes_ = std::make_unique<Routes>(*office_);
    AddServer(std::string(32, 'a'), "one", 1, 64);
    for (const char* const project : {"vision", "speech"}) {
      ASSERT_EQ(Ask(kAdminToken, "PUT", std::string("/v1/projects/") + project, "{}").status, 200u);
    }
  }

  void AddServer(const std::string& id, const std::string& name, uint64_t attachment, int gpus) {
    v1::Inventory inventory;
    inventory.set_server_id(id);
    inventory.set_name(name);
    inventory.add_addresses("tcp://" + name + ":7450");
    for (int i = 0; i < gpus; ++i) {
      v1::Device* const device = inventory.add_devices();
      device->set_uuid("GPU-" + std::to_string(i));
      device->set_model("H100");
      device->set_memory_bytes(80ull << 30);
      device->set_compute_major(9);
    }
    ASSERT_EQ(office_->Host()->Attach(inventory, attachment, &line_), "");
    office_->Host()->Hear(inventory.server_id(), attachment, {});
  }

  void TearDown() override {
    if (office_->Host() != nullptr) {
      office_->Host()->Detach(std::string(32, 'a'), 1);
    }
  }

  HttpAnswer Ask(const std::string& token,
                 const std::string& method,
                 const std::string& path,
                 const std::string& body = "",
                 const std::map<std::string, std::string>& query = {}) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.query = query;
    request.body = body;
    request.authorization = token.empty() ? "" : "Bearer " + token;
    request.address = "10.1.2.3";
    return routes_->Answer(request);
  }

  std::string TokenOf(const std::string& user, Role role, const std::string& project) {
    const HttpAnswer made = Ask(kAdminToken, "POST", "/v1/tokens",
                                R"({"user":")" + user + R"(","roles":[")" + RoleName(role) +
                                    R"("],"project":")" + project + R"("})");
    EXPECT_EQ(made.status, 201u) << made.body;
    return Member(made.body, "secret");
  }

  // Of JSON, the first text of this name.
  static std::string Member(const std::string& json, const std::string& name) {
    std::smatch found;
    const std::regex pattern("\"" + name + "\": *\"([^\"]*)\"");
    return std::regex_search(json, found, pattern) ? found[1].str() : "";
  }

  static size_t Count(const std::string& text, const std::string& part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
      ++count;
    }
    return count;
  }

  std::string CreateAs(const std::string& token, const std::string& project = "") {
    const HttpAnswer made = Ask(token, "POST", "/v1/sessions", Wanted(project));
    EXPECT_EQ(made.status, 201u) << made.body;
    return made.object;
  }

  // Of a newcomer whose id is this letter, over and over.
  static std::string JoinBody(char letter, const std::string& asked = "a request") {
    return R"({"id":")" + std::string(32, letter) + R"(","request":")" + asked + "\"}";
  }

  std::string JoinKey(const std::string& wish = "{}") {
    const HttpAnswer made = Ask(kAdminToken, "POST", "/v1/join-keys", wish);
    EXPECT_EQ(made.status, 201u) << made.body;
    return Member(made.body, "secret");
  }

  static std::string Wanted(const std::string& project) {
    return R"({"spec":{"project":")" + project + R"(","slice":{"share":0.1}},"keyDigest":")" +
           std::string(64, 'a') + "\"}";
  }

  // Somebody who waits: for more than is left. His session.
  std::string WaitAs(const std::string& token) {
    const HttpAnswer made =
        Ask(token, "POST", "/v1/sessions",
            R"({"spec":{"gpus":64,"slice":{"share":1}},"waitSeconds":600,"idempotencyKey":"k)" +
                std::to_string(++waited_) + R"(","keyDigest":")" + std::string(64, 'b') + "\"}");
    EXPECT_EQ(made.status, 202u) << made.body;
    return made.object;
  }

  // A request for a route that somebody could make who may: about things that are there and belong
  // to ann (`token`), in the project "vision".
  HttpRequest Sample(const Route& route, const std::string& token) {
    const std::string verb = route.verb;
    HttpRequest request;
    request.method = route.method;
    request.path = route.path;
    request.address = "10.1.2.3";
    std::string name = "one";
    request.body = Wanted("vision");
    if (verb.starts_with("tokens.")) {
      request.body = R"({"user":"ann","roles":["viewer"],"project":"vision"})";
      name = Ask(kAdminToken, "POST", "/v1/tokens", request.body).object;
    } else if (verb.starts_with("join-keys.")) {
      request.body = "{}";
      name = Ask(kAdminToken, "POST", "/v1/join-keys", "{}").object;
    } else if (verb == "pool.join") {
      request.body = JoinBody('c');
    } else if (verb == "servers.revoke") {
      name = "gone-" + std::to_string(++waited_);
      const std::string digits = std::to_string(waited_);
      AddServer(std::string(32 - digits.size(), 'd') + digits, name,
                static_cast<uint64_t>(100 + waited_), 1);
    } else if (verb.starts_with("sessions.")) {
      name = request.path.find('{') == std::string::npos ? "" : CreateAs(token);
    } else if (verb == "queue.explain") {
      name = WaitAs(token);
    } else if (verb.starts_with("servers.")) {
      request.body =
          verb == "servers.taint" ? R"({"add":[{"key":"owner","effect":"NoPlace"}]})" : "{}";
    } else if (verb.starts_with("reservations.")) {
      // Of a time to come: it is in nobody's way.
      const std::string from = std::to_string(office_->Host()->NowMs() + 86'400'000);
      request.body =
          R"({"project":"vision","amount":{"sessions":"1"},"lastsS":60,"fromMs":")" + from + "\"}";
      name = Ask(kAdminToken, "POST", "/v1/reservations", request.body).object;
    } else if (verb.starts_with("projects.")) {
      name = verb == "projects.delete" ? "gone" : "vision";
      request.body =
          verb == "projects.create" ? R"({"name":"new)" + std::to_string(++waited_) + "\"}" : "{}";
      EXPECT_EQ(Ask(kAdminToken, "PUT", "/v1/projects/" + name, "{}").status, 200u);
    }
    if (const size_t at = request.path.find('{'); at != std::string::npos) {
      request.path.replace(at, request.path.find('}') - at + 1, name);
    }
    return request;
  }

  // What was asked for is not in anybody's way.
  void TidyUp() {
    EXPECT_EQ(Ask(kAdminToken, "POST", "/v1/servers/one:uncordon").status, 200u);
    EXPECT_EQ(Ask(kAdminToken, "POST", "/v1/servers/one:taint", R"({"remove":["owner"]})").status,
              200u);
    const v1::ListQueueResponse queue = office_->Host()->Queue();
    for (const v1::QueueEntry& entry : queue.entries()) {
      EXPECT_EQ(Ask(kAdminToken, "DELETE", "/v1/sessions/" + entry.session().id()).status, 200u);
    }
  }

  std::vector<v1::AuditRecord> Log() { return office_->Watch()->audit().Last(10'000).value(); }

  ScratchFolder scratch_;
  DeafLine line_;
  int waited_ = 0;
  SigningKeys keys_{token::SigningKey::Make().value()};
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Office> office_;
  std::unique_ptr<Routes> routes_;
};

TEST_F(RoutesTest, EveryRouteIsInTheAccessTable) {
  for (const Route& route : AllRoutes()) {
    EXPECT_TRUE(AccessOf(route, {}).has_value()) << route.verb;
    const bool is_logged =
        std::string(route.method) != "GET" || route.verb == std::string("pool.backup");
    EXPECT_EQ(AccessOf(route, {})->is_logged, is_logged) << route.verb;
  }
}

TEST_F(RoutesTest, ARoleDoesWhatTheTableSaysAndNothingElse) {
  size_t refused = 0;
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  CreateAs(ann);
  for (const Role role : kRoles) {
    const bool in_project =
        role == Role::kProjectAdmin || role == Role::kUser || role == Role::kViewer;
    const std::string token = TokenOf("ann", role, in_project ? "vision" : "");
    for (const Route& route : AllRoutes()) {
      for (const char* const dry_run : {"", "All"}) {
        if (*dry_run != '\0' && std::string(route.verb) != "sessions.create") {
          continue;
        }
        HttpRequest request = Sample(route, ann);
        if (*dry_run != '\0') {
          request.query["dryRun"] = dry_run;
        }
        request.authorization = "Bearer " + token;
        const bool may = ReachOf(role, AccessOf(route, request)->verb) != Reach::kNone;
        const HttpAnswer answer = routes_->Answer(request);
        if (std::string(route.verb) == "pool.openapi") {
          continue;  // it is everybody's: nothing in it is the pool's own
        }
        EXPECT_EQ(answer.status == 403, !may)
            << RoleName(role) << " " << request.method << " " << request.path << " " << answer.body;
        // The only manager of its store cannot step down.
        const bool cannot = std::string(route.verb) == "pool.step-down" && answer.status == 409;
        EXPECT_TRUE(!may || answer.status / 100 == 2 || cannot)
            << RoleName(role) << " " << request.method << " " << request.path << " " << answer.body;
        refused += may ? 0 : 1;
        TidyUp();
      }
    }
  }
  EXPECT_GT(refused, 80u);
  EXPECT_TRUE(office_->Watch()->VerifyLog().value().intact());
}

TEST_F(RoutesTest, WhoShowsNothingGoodGetsNothingAtAll) {
  const std::string good = TokenOf("ann", Role::kPoolAdmin, "");
  const HttpAnswer brief = Ask(kAdminToken, "POST", "/v1/tokens",
                               R"({"user":"ann","roles":["pool-admin"],"lifetimeSeconds":"1"})");
  const std::string revoked = TokenOf("ann", Role::kPoolAdmin, "");
  const std::string id = Member(Ask(revoked, "GET", "/v1/whoami").body, "tokenId");
  ASSERT_EQ(Ask(kAdminToken, "DELETE", "/v1/tokens/" + id).status, 200u);
  std::string forged = good;
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  const std::string old_key = JoinKey(R"({"lifetimeSeconds":"1"})");
  usleep(1'100'000);
  const std::map<std::string, std::string> shown = {
      {"nothing", ""},
      {"expired", Member(brief.body, "secret")},
      {"revoked", revoked},
      {"forged", forged},
      {"foreign", "flp1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
      {"cut off", good.substr(0, 20)},
      {"a join key of nobody's", "flj1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
      {"a join key that has expired", old_key}};
  for (const auto& [what, token] : shown) {
    for (const Route& route : AllRoutes()) {
      std::string path = route.path;
      if (std::string(route.verb) == "pool.openapi") {
        continue;
      }
      if (const size_t at = path.find('{'); at != std::string::npos) {
        path.replace(at, path.find('}') - at + 1, "one");
      }
      const HttpAnswer answer = Ask(token, route.method, path, Wanted(""));
      EXPECT_EQ(answer.status, 401u) << what << " " << route.method << " " << path;
    }
  }
  EXPECT_EQ(Ask(good, "GET", "/v1/status").status, 200u);
}

TEST_F(RoutesTest, EachSeesHisOwnAndNobodyElses) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  const std::string bob = TokenOf("bob", Role::kUser, "vision");
  const std::string eve = TokenOf("eve", Role::kUser, "speech");
  const std::string head = TokenOf("head", Role::kProjectAdmin, "vision");
  const std::string session = CreateAs(ann);
  CreateAs(bob);
  CreateAs(eve);
  const std::map<std::string, size_t> sees = {
      {ann, 1}, {bob, 1}, {eve, 1}, {head, 2}, {kAdminToken, 3}};
  for (const auto& [token, count] : sees) {
    EXPECT_EQ(Count(Ask(token, "GET", "/v1/sessions").body, "\"keyDigest\""), count);
  }
  EXPECT_EQ(Ask(ann, "GET", "/v1/sessions/" + session).status, 200u);
  for (const std::string& other : {bob, eve}) {
    EXPECT_EQ(Ask(other, "GET", "/v1/sessions/" + session).status, 404u);
    EXPECT_EQ(Ask(other, "DELETE", "/v1/sessions/" + session).status, 404u);
  }
  EXPECT_EQ(Ask(head, "DELETE", "/v1/sessions/" + session).status, 200u);
}

TEST_F(RoutesTest, ProjectsAndQueuesAreSeenByThoseWhoAreInThem) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  const std::string bob = TokenOf("bob", Role::kUser, "vision");
  const std::string eve = TokenOf("eve", Role::kUser, "speech");
  const std::string head = TokenOf("head", Role::kProjectAdmin, "vision");
  const std::string billing = TokenOf("bill", Role::kBilling, "");
  CreateAs(ann);
  const std::string waits = WaitAs(ann);
  const std::map<std::string, size_t> sees = {{ann, 1}, {bob, 0}, {eve, 0}, {head, 1}};
  for (const auto& [token, count] : sees) {
    EXPECT_EQ(Count(Ask(token, "GET", "/v1/queue").body, waits), count);
    EXPECT_EQ(Ask(token, "GET", "/v1/queue/" + waits).status, count == 1 ? 200u : 404u);
  }
  for (const std::string& other : {bob, eve}) {
    EXPECT_EQ(Ask(other, "DELETE", "/v1/sessions/" + waits).status, 404u);
  }
  EXPECT_EQ(Ask(head, "DELETE", "/v1/sessions/" + waits).status, 200u);
  const std::string seen = Ask(eve, "GET", "/v1/projects").body;
  EXPECT_EQ(Count(seen, "speech"), 1u);
  EXPECT_EQ(Count(seen, "vision") + Count(seen, "default"), 0u) << seen;
  EXPECT_EQ(Ask(eve, "GET", "/v1/projects/vision").status, 404u);
  EXPECT_EQ(Ask(billing, "GET", "/v1/projects/vision").status, 200u);
  EXPECT_EQ(Count(Ask(billing, "GET", "/v1/projects").body, "\"name\""), 3u);
}

TEST_F(RoutesTest, AWatchShowsWhatAListShowsAndEndsWithItsToken) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  const std::string bob = TokenOf("bob", Role::kUser, "vision");
  const HttpAnswer watch = Ask(ann, "GET", "/v1/sessions", "", {{"watch", "1"}});
  ASSERT_EQ(watch.status, 200u) << watch.body;
  ASSERT_NE(watch.stream, nullptr);
  EXPECT_EQ(Count(watch.stream->Next(0).value(), "\"session\""), 0u);
  const std::string own = CreateAs(ann);
  const std::string others = CreateAs(bob);
  std::string seen;
  for (int i = 0; i < 100 && Count(seen, own) == 0; ++i) {
    seen += watch.stream->Next(100).value();
  }
  seen += watch.stream->Next(500).value();
  EXPECT_GT(Count(seen, own), 0u);
  EXPECT_EQ(Count(seen, others), 0u) << seen;
  const std::string id = Member(Ask(ann, "GET", "/v1/whoami").body, "tokenId");
  ASSERT_EQ(Ask(kAdminToken, "DELETE", "/v1/tokens/" + id).status, 200u);
  const std::string last = watch.stream->Next(1'000).value();
  EXPECT_GT(Count(last, "Unauthenticated"), 0u) << last;
  EXPECT_EQ(watch.stream->Next(0), std::nullopt);
}

TEST_F(RoutesTest, WhatRunsOnAServerIsToldToThoseWhoSeeAllSessions) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  const std::string session = CreateAs(ann);
  v1::Load load;
  load.add_sessions()->set_session_id(session);
  office_->Host()->Hear(std::string(32, 'a'), 1, load);
  EXPECT_EQ(Count(Ask(kAdminToken, "GET", "/v1/servers/one").body, session), 1u);
  EXPECT_EQ(Count(Ask(ann, "GET", "/v1/servers/one").body, session), 0u);
  EXPECT_EQ(Count(Ask(ann, "GET", "/v1/servers").body, session), 0u);
}

TEST_F(RoutesTest, WhoNamesNoProjectHasTheDefaultOne) {
  const std::string ann = TokenOf("ann", Role::kUser, "");
  const std::string head = TokenOf("head", Role::kProjectAdmin, "default");
  const std::string session = CreateAs(ann);
  EXPECT_EQ(Ask(head, "GET", "/v1/sessions/" + session).status, 200u);
  EXPECT_EQ(
      Ask(TokenOf("head", Role::kProjectAdmin, "vision"), "GET", "/v1/sessions/" + session).status,
      404u);
}

TEST_F(RoutesTest, AProjectThatIsNotOnesOwnIsRefused) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  EXPECT_EQ(Ask(ann, "POST", "/v1/sessions", Wanted("speech")).status, 403u);
  EXPECT_EQ(Ask(ann, "POST", "/v1/sessions", Wanted("speech"), {{"dryRun", "All"}}).status, 403u);
  const HttpAnswer made = Ask(ann, "POST", "/v1/sessions", Wanted(""));
  EXPECT_EQ(Member(made.body, "project"), "vision");
  EXPECT_EQ(Member(made.body, "user"), "ann");
}

TEST_F(RoutesTest, WhatIsChangedIsInTheLogBeforeAndAfter) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  const std::string session = CreateAs(ann);
  EXPECT_EQ(Ask(ann, "DELETE", "/v1/sessions/" + session).status, 200u);
  EXPECT_EQ(Ask(ann, "POST", "/v1/servers/one:cordon").status, 403u);
  EXPECT_EQ(Ask("", "GET", "/v1/sessions").status, 401u);
  std::string log;
  for (const v1::AuditRecord& record : Log()) {
    log += record.kind() + " " + record.actor() + " " + record.verb() + " " +
           std::to_string(record.status()) + "\n";
    EXPECT_TRUE(record.kind() == "segment" || record.kind() == "session" ||
                record.address() == "10.1.2.3");
  }
  for (const char* line :
       {"asked ann session.create 0\ndone ann session.create 201", "asked ann session.end 0\n",
        "done ann session.end 200", "refused ann server.change 403", "refused   401", "session   0",
        "done admin token.create 201"}) {
    EXPECT_NE(log.find(line), std::string::npos) << line << " is not in\n" << log;
  }
  EXPECT_EQ(log.find(kAdminToken), std::string::npos);
}

TEST_F(RoutesTest, WhatCannotBeWrittenDownIsNotDone) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit former{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &former), 0);
  rlimit none = former;
  none.rlim_cur = 1;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const HttpAnswer refused = Ask(kAdminToken, "POST", "/v1/servers/one:cordon");
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &former), 0);
  EXPECT_EQ(refused.status, 503u);
  EXPECT_EQ(Member(refused.body, "reason"), "AuditFailed");
  EXPECT_FALSE(office_->Host()->Servers().front().cordoned());
  EXPECT_EQ(Ask(kAdminToken, "POST", "/v1/servers/one:cordon").status, 200u);
  EXPECT_TRUE(office_->Host()->Servers().front().cordoned());
}

TEST_F(RoutesTest, AJoinKeyOpensNothingButThePool) {
  const std::string key = JoinKey();
  for (const Route& route : AllRoutes()) {
    if (std::string(route.verb) == "pool.openapi" || std::string(route.verb) == "pool.join") {
      continue;
    }
    HttpRequest request = Sample(route, kAdminToken);
    request.authorization = "Bearer " + key;
    EXPECT_EQ(routes_->Answer(request).status, 403u) << route.verb;
  }
  const HttpAnswer joined = Ask(key, "POST", "/v1/pool:join", JoinBody('b'));
  EXPECT_EQ(joined.status, 200u) << joined.body;
  EXPECT_EQ(Member(joined.body, "certificate"), "server " + std::string(32, 'b'));
}

TEST_F(RoutesTest, OneJoinsByAKeyAndNobodyBecomesAServerThatThereIs) {
  const std::string key = JoinKey();
  EXPECT_EQ(Ask(key, "POST", "/v1/pool:join", "{\"id\":\"b\"}").status, 400u);
  EXPECT_EQ(Ask(key, "POST", "/v1/pool:join", JoinBody('b')).status, 200u);
  // The answer can have been lost.
  EXPECT_EQ(Ask(key, "POST", "/v1/pool:join", JoinBody('b')).status, 200u);
  EXPECT_EQ(Ask(key, "POST", "/v1/pool:join", JoinBody('b', "another")).status, 403u);
  EXPECT_EQ(Ask(key, "POST", "/v1/pool:join", JoinBody('c')).status, 403u);
  EXPECT_EQ(Ask(JoinKey(), "POST", "/v1/pool:join", JoinBody('b')).status, 403u);
  const std::string ended = JoinKey();
  const std::string list = Ask(kAdminToken, "GET", "/v1/join-keys").body;
  const std::string id = Member(list.substr(list.rfind("\"id\"")), "id");
  EXPECT_EQ(Ask(kAdminToken, "DELETE", "/v1/join-keys/" + id).status, 200u);
  EXPECT_EQ(Ask(ended, "POST", "/v1/pool:join", JoinBody('e')).status, 401u);
}

TEST_F(RoutesTest, AServerThatIsRevokedIsGoneAndItsSessionsAreOver) {
  const std::string ann = TokenOf("ann", Role::kUser, "vision");
  const std::string session = CreateAs(ann);
  EXPECT_EQ(Ask(kAdminToken, "POST", "/v1/servers/one:revoke").status, 200u);
  EXPECT_EQ(line_.expelled_because, "its certificate was revoked");
  EXPECT_TRUE(office_->Watch()->roll().IsRevoked(std::string(32, 'a')));
  EXPECT_EQ(Member(Ask(ann, "GET", "/v1/sessions/" + session).body, "phase"), "FAILED");
  office_->Look();
  EXPECT_EQ(Member(Ask(kAdminToken, "GET", "/v1/servers/one").body, "state"), "LOST");
  EXPECT_EQ(Ask(ann, "POST", "/v1/sessions", Wanted("vision")).status, 503u);
  EXPECT_EQ(Ask(kAdminToken, "POST", "/v1/servers/nobody:revoke").status, 404u);
  // Nor does anybody join under its name.
  EXPECT_EQ(Ask(JoinKey(), "POST", "/v1/pool:join", JoinBody('a')).status, 403u);
}

TEST_F(RoutesTest, WhoComesForAnotherHostIsTold) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/v1/status";
  request.foreign_host = "evil.example";
  const HttpAnswer answer = routes_->Answer(request);
  EXPECT_EQ(answer.status, 401u);
  EXPECT_NE(answer.body.find("evil.example"), std::string::npos) << answer.body;
}

TEST_F(RoutesTest, PathsAndMethodsThatAreNotThereAreToldSo) {
  EXPECT_EQ(Ask(kAdminToken, "GET", "/v2/sessions").status, 404u);
  EXPECT_EQ(Ask(kAdminToken, "GET", "/v1/sessions/").status, 404u);
  EXPECT_EQ(Ask(kAdminToken, "GET", "/v1/sessions/a/b").status, 404u);
  EXPECT_EQ(Ask(kAdminToken, "PUT", "/v1/sessions").status, 405u);
  EXPECT_EQ(Ask(kAdminToken, "", "").status, 404u) << "the library that reads HTTP lets it through";
  EXPECT_EQ(Ask("", "GET", "/healthz").status, 200u);
}

}  // namespace
}  // namespace farlane::pool
