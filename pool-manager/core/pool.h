// SPDX-License-Identifier: Apache-2.0
// Pool is what the manager knows and decides: its servers, the sessions it has granted, and which
// server a new one gets. It does nothing by itself: it is told the time, what servers say and what
// people ask, and answers with what is to be stored and what servers are to be told.
//
// A session is granted in three steps, so that nobody waits for the store while he holds the pool:
// Draft takes its place, the caller stores it, and says Abandon if it could not.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "pool-manager/core/server_book.h"
#include "pool-manager/placement/decide.h"
#include "protocol/base/result.h"
#include "protocol/control/pool.pb.h"
#include "protocol/token/session_token.h"

namespace farlane::pool {

// Why something that people ask for is not done. `reason` is for programs.
struct Objection {
  enum class Kind : uint8_t {
    kInvalid,
    kNotFound,
    kConflict,
    kOtherRequest,
    kNoCapacity,
    kUnavailable
  };
  Kind kind = Kind::kInvalid;
  std::string reason;
  std::string detail;
  std::vector<std::string> explain{};
};

// What a server is to be told.
struct Order {
  uint64_t attachment = 0;
  v1::ToServer say;
};

// Thread: caller's.
class Pool {
 public:
  // A token opens its session within this.
  static constexpr int64_t kTokenMs = 60'000;
  // Sessions that are over are shown for a while: so many of them.
  static constexpr size_t kOverMax = 1000;

  struct Now {
    uint64_t ns = 0;  // of a clock that only goes forward
    int64_t ms = 0;   // since 1970
  };

  // What was stored before, at the start: their servers tell whether they still run.
  void Restore(std::vector<v1::Session> sessions);

  // --- Servers

  // A server's first word on a stream. An empty text, or why it is not taken.
  std::string Attach(const v1::Inventory& inventory, uint64_t attachment, const Now& now);
  // What the sessions of a server have come to. `changed`: those to be stored.
  std::vector<Order> Hear(const std::string& server,
                          uint64_t attachment,
                          const v1::Load& load,
                          const Now& now,
                          std::vector<v1::Session>* changed);
  void Detach(const std::string& server, uint64_t attachment, const Now& now);

  // What people have said of servers: as it was stored, at the start.
  void RestoreOrders(const std::vector<v1::ServerOrders>& orders);
  // Of a server, by its name or id, or nothing: there is none.
  std::optional<v1::ServerOrders> OrdersFor(const std::string& name) const;
  // From now on; they were stored.
  void SetOrders(const v1::ServerOrders& orders, const Now& now);
  // Ends the sessions of servers whose time is over.
  void LookAtDrains(const Now& now, std::vector<v1::Session>* changed, std::vector<Order>* orders);

  // --- Sessions

  struct Grant {
    v1::Session session;
    token::SessionToken token;  // to be signed
  };

  // A place for a session, that nobody else gets meanwhile. What stands in the grant's session
  // already, such as its user, stays there.
  std::optional<Objection> Draft(const v1::CreateSessionRequest& request,
                                 uint64_t epoch,
                                 const Now& now,
                                 Grant* grant);
  // The same again, for somebody who has not heard the answer.
  Grant GrantAgain(const v1::Session& session, const Now& now) const;
  // What would become of a request; nothing is promised.
  std::optional<Objection> Consider(const v1::CreateSessionRequest& request,
                                    v1::Placement* placement) const;
  void Abandon(const std::string& id);

  static bool IsLive(const v1::Session& session);

  // The session as it is then, to be stored; its server is told.
  std::optional<Objection> Release(const std::string& id,
                                   const Now& now,
                                   v1::Session* session,
                                   std::vector<Order>* orders);

  // Sessions that nobody came to, and those of servers that are lost.
  void Look(const Now& now, std::vector<v1::Session>* changed);

  // --- What people see

  std::vector<v1::Session> Sessions() const;
  // By its name, or the beginning of it.
  const v1::Session* FindSession(const std::string& name) const;
  std::vector<v1::Server> Servers() const;
  v1::PoolStatus Status() const;

 private:
  struct Promises {
    double share = 0;
    uint64_t memory_bytes = 0;
    uint32_t sessions = 0;
  };

  std::map<std::string, Promises> PromisesByServer() const;
  void PromiseAgain(const std::string& server);
  void SetLoads(const std::string& server, const v1::Load& load);
  void SetState(const std::string& server);
  Objection NoRoom(const Request& request, const NetworkView& network) const;
  void End(v1::Session* session, v1::Phase phase, const std::string& why, const Now& now);
  void ForgetOld();
  Result<uint32_t> SetFacts(const v1::Inventory& inventory);
  void NoteLive(const v1::Session& session);
  void HearSession(v1::Session* session,
                   const v1::SessionLoad* said_or_null,
                   const Now& now,
                   std::vector<v1::Session>* changed);
  void LookAtServer(const std::string& server,
                    bool is_lost,
                    const Now& now,
                    std::vector<v1::Session>* changed);
  static token::SessionToken TokenFor(const v1::Session& session,
                                      token::SessionToken token,
                                      const Now& now);

  ServerBook servers_;
  ClusterView cluster_;  // the same servers, as placement sees them, and what they were promised
  PlacementPolicy policy_;
  DistanceTable distances_;
  std::map<std::string, v1::Session> sessions_;
  std::unordered_map<std::string, std::set<std::string>> live_;  // ids of sessions, by server_id
  std::map<std::string, v1::ServerOrders> orders_;               // by the server's name
};

}  // namespace farlane::pool
