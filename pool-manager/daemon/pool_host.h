// SPDX-License-Identifier: Apache-2.0
// PoolHost is the pool as several threads use it: the streams of servers, the requests of people
// and a clock that looks at it now and then. It stores what has to survive, signs tokens, and hands
// servers what they are to be told.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pool-manager/core/admission_desk.h"
#include "pool-manager/core/pool.h"
#include "pool-manager/core/tenant_book.h"
#include "pool-manager/daemon/session_saver.h"
#include "pool-manager/daemon/session_store.h"
#include "protocol/base/guarded.h"
#include "protocol/base/result.h"
#include "protocol/token/ed25519.h"

namespace farlane::pool {

// A server's stream, as far as the pool has to do with it. Does not wait.
class ServerLine {
 public:
  virtual ~ServerLine() = default;
  virtual void Say(v1::ToServer say) = 0;
  // Nobody listens to it any more: the server is to come again, here or elsewhere.
  virtual void End() = 0;
};

// Thread: any, guarded.
class PoolHost {
 public:
  struct Settings {
    std::string name = "default";
    uint32_t report_ms = 1000;
    PlacementWords placement{};
  };

  // Takes up what the store has.
  static Result<std::unique_ptr<PoolHost>> Open(Settings settings,
                                                std::unique_ptr<SessionStore> store,
                                                const token::SigningKey& key);

  // Another leads: the streams of all servers end, and nobody is let in.
  void Close();

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
  std::optional<Objection> Cordon(const std::string& name, bool cordoned);
  std::vector<v1::Session> Sessions() const;
  std::optional<v1::Session> FindSession(const std::string& name) const;
  std::vector<v1::Server> Servers() const;
  v1::PoolStatus Status() const;
  v1::ListQueueResponse Queue();

  // Empty: it is done. `project` becomes as it is kept.
  std::optional<Objection> SetProject(v1::Project* project, bool must_be_new);
  std::optional<Objection> RemoveProject(const std::string& name);
  std::vector<v1::ProjectStatus> Projects() const;

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
  };

  PoolHost(Settings settings, std::unique_ptr<SessionStore> store, const token::SigningKey& key);

  std::optional<Objection> Keep(const v1::Session& session);
  void Tell(State& state, const std::vector<Order>& orders) const;
  Pool::Now TakeNow() const;
  std::vector<v1::Profile> TakeProfiles();

  const Settings settings_;
  const std::unique_ptr<SessionStore> store_;
  const token::SigningKey& key_;  // of the process
  const uint32_t key_id_;
  const int64_t started_ms_;   // by the wall clock
  const uint64_t started_ns_;  // by the one that only goes forward
  std::atomic<uint64_t> next_attachment_{1};
  Guarded<State> state_;
  SessionSaver saver_;  // last: it looks at the state
};

}  // namespace farlane::pool
