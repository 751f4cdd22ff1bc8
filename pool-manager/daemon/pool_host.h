// SPDX-License-Identifier: Apache-2.0
// PoolHost is the pool as several threads use it: the streams of servers, the requests of people
// and a clock that looks at it now and then. It stores what has to survive, signs tokens, and hands
// servers what they are to be told.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pool-manager/core/admission_desk.h"
#include "pool-manager/core/pool.h"
#include "pool-manager/core/tenant_book.h"
#include "pool-manager/daemon/change_desk.h"
#include "pool-manager/daemon/session_saver.h"
#include "pool-manager/daemon/session_store.h"
#include "pool-manager/daemon/signing_keys.h"
#include "protocol/base/guarded.h"
#include "protocol/base/result.h"

namespace farlane::pool {

// A server's stream, as far as the pool has to do with it. Does not wait.
class ServerLine {
 public:
  virtual ~ServerLine() = default;
  virtual void Say(v1::ToServer say) = 0;
  // Nobody listens to it any more: the server is to come again, here or elsewhere.
  virtual void End() = 0;

  // The same, after a last word, and it need not come again.
  virtual void Expel(v1::ToServer /*say*/) { End(); }
};

// Thread: any, guarded.
class PoolHost : public std::enable_shared_from_this<PoolHost> {
 public:
  struct Settings {
    std::string name = "default";
    // How often servers report: where something happens, and at least.
    uint32_t report_ms = 1000;
    uint32_t report_ms_max = 15'000;
    int64_t keep_ended_ms = Pool::kKeepEndedMs;  // sessions that are over
    PlacementWords placement{};
    // Lets another manager lead; empty: there is no other.
    std::function<void()> step_down{};
    // Copies the store to a new file; empty: it has ways of its own to be saved.
    std::function<farlane::Status(const std::string& path)> backup{};
    // What tenants have had is stored so often.
    uint64_t save_use_ns = 30'000'000'000;
    std::string scratch_dir{};  // for what is written only to be read again
  };

  // Takes up what the store has.
  static Result<std::unique_ptr<PoolHost>> Open(Settings settings,
                                                std::unique_ptr<SessionStore> store,
                                                SigningKeys& keys);

  // Another leads: the streams of all servers end, and nobody is let in.
  void Close();

  bool IsClosed() const;

  // --- For servers. The line stays the caller's, until Detach returns.
  std::string Attach(const v1::Inventory& inventory, uint64_t attachment, ServerLine* line);
  void Hear(const std::string& server, uint64_t attachment, const v1::Load& load);
  void Detach(const std::string& server, uint64_t attachment);

  // --- For people. A session that waits has a place instead of a token.
  std::optional<Objection> Create(const v1::CreateSessionRequest& request,
                                  const std::string& user,
                                  v1::CreateSessionResponse* response);
  std::optional<Objection> Consider(const v1::CreateSessionRequest& request,
                                    v1::Placement* placement);
  std::optional<Objection> Release(const std::string& id, v1::Session* session);
  // What people say of a server is stored, and then holds.
  using OrdersChange = std::function<std::optional<std::string>(v1::ServerOrders*)>;
  std::optional<Objection> ChangeOrders(const std::string& server, const OrdersChange& change);
  // A server is none of the pool's any more: its stream ends, and its sessions are over.
  void Expel(const std::string& server_id, const std::string& why);
  std::vector<v1::Session> Sessions() const;
  std::optional<v1::Session> FindSession(const std::string& name) const;
  std::vector<v1::Server> Servers() const;
  v1::PoolStatus Status() const;
  v1::ListQueueResponse Queue();

  // Empty: it is done. `project` becomes as it is kept.
  std::optional<Objection> SetProject(v1::Project* project, bool must_be_new);
  std::optional<Objection> RemoveProject(const std::string& name);
  std::vector<v1::ProjectStatus> Projects() const;
  // Likewise; `reservation` becomes as it is kept.
  std::optional<Objection> Reserve(v1::Reservation* reservation);
  std::optional<Objection> EndReservation(const std::string& id, v1::Reservation* ended);
  std::vector<v1::Reservation> Reservations() const;

  // Servers are told by which keys tokens are signed.
  void TellKeys();

  // --- For those who run it.
  std::optional<Objection> StepDown(v1::StepDownResponse* response);
  std::optional<Objection> BackUp(std::string* bytes);

  // --- For people who watch. Versions count within one manager's term.
  std::vector<v1::Session> ListSessions(uint64_t* version) { return session_desk_.List(version); }

  std::vector<v1::Server> ListServers(uint64_t* version) { return server_desk_.List(version); }

  std::optional<ChangeDesk<v1::Session>::Changes> SessionChanges(uint64_t after, size_t most) {
    return session_desk_.After(after, most);
  }

  std::optional<ChangeDesk<v1::Server>::Changes> ServerChanges(uint64_t after, size_t most) {
    return server_desk_.After(after, most);
  }

  // The pool's time, in milliseconds since 1970.
  int64_t NowMs() const { return TakeNow().ms; }

  std::string VersionText(uint64_t version) const;
  // Nothing: it is another manager's, or none.
  std::optional<uint64_t> ParseVersion(const std::string& text) const;

  // Once a second, or so.
  void Look();

  uint64_t FreshAttachment() { return next_attachment_++; }

 private:
  struct State {
    Pool pool;
    AdmissionDesk desk{pool, {}};
    TenantBook tenants{pool};
    std::map<uint64_t, ServerLine*> lines;
    bool closed = false;
    uint32_t report_ms = 0;  // as servers were told
    // Sessions that are being stored, so that nobody is told of them yet; and those of which the
    // store does not say whether it has them.
    std::set<std::string> storing;
    std::set<std::string> unsure;
  };

  PoolHost(Settings settings, std::unique_ptr<SessionStore> store, SigningKeys& keys);

  std::optional<Objection> Ask(State& state,
                               const v1::CreateSessionRequest& request,
                               const std::string& user,
                               AdmissionDesk::Reply* reply,
                               AdmissionDesk::Consequences* consequences) const;
  std::optional<Objection> SignTokens(const Pool::Grant& grant,
                                      v1::CreateSessionResponse* response) const;
  std::optional<Objection> Keep(const v1::Session& session);
  farlane::Status SaveSurely(const v1::Session& session);
  void SaveUnsure();
  void Tell(State& state, const std::vector<Order>& orders) const;
  void TellPace(State& state) const;
  Pool::Now TakeNow() const;
  std::vector<v1::Profile> TakeProfiles();
  v1::TenantUse Use() const;
  std::optional<Objection> ChangeProject(
      v1::Project* project, const std::function<std::optional<Objection>(State& state)>& change);

  const Settings settings_;
  const std::unique_ptr<SessionStore> store_;
  SigningKeys& keys_;          // of the process
  const int64_t started_ms_;   // by the wall clock
  const uint64_t started_ns_;  // by the one that only goes forward
  std::atomic<uint64_t> next_attachment_{1};
  Guarded<State> state_;

  // One change of a server's orders at a time: held while the store is waited for, and before
  // state_.
  struct OrdersTurn {};

  // Likewise of projects.
  struct ProjectsTurn {};

  Guarded<OrdersTurn> orders_turn_;
  Guarded<ProjectsTurn> projects_turn_;
  uint64_t use_saved_ns_ = 0;  // Look's
  ChangeDesk<v1::Session> session_desk_;
  ChangeDesk<v1::Server> server_desk_;
  SessionSaver saver_;  // last: it looks at the state
};

}  // namespace farlane::pool
