// SPDX-License-Identifier: Apache-2.0
// Pool is what the manager knows and decides: its servers, the sessions it has granted, and which
// server a new one gets. It does nothing by itself: it is told the time, what servers say and what
// people ask, and answers with what is to be stored and what servers are to be told.
//
// A session is granted in three steps, so that nobody waits for the store while he holds the pool:
// Draft takes its place, the caller stores it, and says Abandon if it could not.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pool-manager/core/learning.h"
#include "pool-manager/core/server_book.h"
#include "pool-manager/placement/decide.h"
#include "pool-manager/placement/placement_setup.h"
#include "pool-manager/placement/request_filter.h"
#include "pool-manager/tenancy/preemption.h"
#include "pool-manager/tenancy/tenant_tree.h"
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
  // What is promised to a session that nobody comes to is given to others after this.
  static constexpr uint64_t kReservedNs = 2 * kTokenMs * 1'000'000;
  // Sessions that are over are kept for a while (SetKeepEnded), and no more than so many of them.
  static constexpr size_t kOverMax = 1000;
  static constexpr int64_t kKeepEndedMs = 7ll * 86'400'000;

  struct Now {
    uint64_t ns = 0;  // of a clock that only goes forward
    // The pool's time (ToServer.now_ms): since 1970 by the clock of this machine when its manager
    // began to lead, and by the other one since then, whoever sets the first.
    int64_t ms = 0;
  };

  Pool();

  // By what it places from now on.
  void SetPlacement(PlacementSetup placement) { placement_ = std::move(placement); }

  static std::string FreshId();
  // It has a place.
  static bool IsLive(const v1::Session& session);

  // What was stored before, at the start: their servers tell whether they still run. Tenants first.
  void Restore(std::vector<v1::Session> sessions);

  // What was learned of programs: restored at the start, and what has changed since the last time.
  void RestoreProfiles(const std::vector<v1::Profile>& profiles) { learning_.Restore(profiles); }

  std::vector<v1::Profile> TakeProfiles() { return learning_.TakeChanged(); }

  // What tenants have had: restored at the start, after the tenants, and to be stored now and then.
  void RestoreUse(const v1::TenantUse& use);
  v1::TenantUse Use(const Now& now) const;

  // --- Servers

  // A server's first word on a stream. An empty text, or why it is not taken.
  std::string Attach(const v1::Inventory& inventory, uint64_t attachment, const Now& now);
  // What the sessions of a server have come to. `changed`: those to be stored.
  std::vector<Order> Hear(const std::string& server,
                          uint64_t attachment,
                          const v1::Load& said_now,
                          const Now& now,
                          std::vector<v1::Session>* changed);
  void Detach(const std::string& server, uint64_t attachment, const Now& now);
  // The sessions that were granted there and whom nobody has come to yet.
  std::vector<std::string> Reserved(const std::string& server) const;

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
    token::SessionToken token;                       // to be signed
    std::vector<token::SessionToken> more_tokens{};  // for its other servers, in their order
    // Instead of a session: the way to these is to be measured first.
    std::vector<v1::Candidate> candidates{};
  };

  // A place for a session, that nobody else gets meanwhile. `id`: of one that has waited;
  // `kept_out`: servers that it is not to have.
  std::optional<Objection> Draft(const v1::CreateSessionRequest& request,
                                 uint64_t epoch,
                                 const Now& now,
                                 Grant* grant,
                                 const std::string& id = "",
                                 const std::vector<std::string>& kept_out = {});
  // The same again, for somebody who has not heard the answer, with a token of who leads now.
  static Grant GrantAgain(const v1::Session& session, uint64_t epoch, const Now& now);

  // How far servers are from who asks, as he has just measured it.
  void NoteMeasured(const v1::CreateSessionRequest& request, const Now& now) {
    learning_.NoteMeasured(request.spec(), request.measured(), now.ns);
  }

  // It has said what runs there since it came, and is heard.
  bool IsReady(const std::string& server) const;

  // What would become of a request; nothing is promised.
  std::optional<Objection> Consider(const v1::CreateSessionRequest& request,
                                    const Now& now,
                                    v1::Placement* placement);
  void Abandon(const std::string& id);

  // The server is none of the pool's any more, and its sessions are over: what it is to be told.
  // `orders`: what others are to be told, which have the rest of such sessions.
  Order Expel(const std::string& server,
              const std::string& why,
              const Now& now,
              std::vector<v1::Session>* changed,
              std::vector<Order>* orders);

  // The session as it is then, to be stored; its server is told.
  std::optional<Objection> Release(const std::string& id,
                                   const Now& now,
                                   v1::Session* session,
                                   std::vector<Order>* orders);

  // Sessions of a server's that are over, and whose tokens may not have expired.
  std::vector<std::string> EndedLately(const std::string& server, const Now& now) const;

  // Sessions that nobody came to, and those of servers that are lost. `orders`: what the others of
  // their servers are to be told.
  void Look(const Now& now, std::vector<v1::Session>* changed, std::vector<Order>* orders);

  // So long after its end a session is forgotten.
  void SetKeepEnded(int64_t ms) { keep_ended_ms_ = ms; }

  // Those that were forgotten since this was asked last: the store need not have them either.
  std::vector<std::string> TakeForgotten() { return std::exchange(forgotten_, {}); }

  // --- Tenants

  TenantTree& tenants() { return tenants_; }

  const TenantTree& tenants() const { return tenants_; }

  // Where nobody names a project.
  static constexpr char kDefaultProject[] = "default";

  // Sessions of a project that do nothing for so long are ended; 0: none is.
  void SetIdleLimit(uint32_t project, uint32_t seconds) { idle_limits_s_[project] = seconds; }

  std::optional<Objection> FindProject(const v1::SessionSpec& spec, uint32_t* project) const;
  // What its project is charged with.
  static Amount AmountOf(const v1::SessionSpec& spec, uint64_t net_limit);

  // One that waits for a place is shown among the others; or one of which more is known now.
  void Show(const v1::Session& session) { sessions_[session.id()] = session; }

  // It waits no more, and has got nothing.
  v1::Session EndWaiting(const std::string& id,
                         v1::Phase phase,
                         const std::string& why,
                         const Now& now);
  // It is ended for another's sake, or because its time is over.
  v1::Session Evict(const std::string& id,
                    v1::Phase phase,
                    const std::string& why,
                    const Now& now,
                    std::vector<Order>* orders);
  // It goes on with this share of each of its devices.
  v1::Session Resize(const std::string& id, uint64_t share, std::vector<Order>* orders);
  // Those that had to go slower for others go on with what they had before, where there is room.
  void GiveBack(std::vector<v1::Session>* changed, std::vector<Order>* orders);
  // Those that have run for as long as they wanted, or do nothing.
  void LookAtLimits(const Now& now, std::vector<v1::Session>* changed, std::vector<Order>* orders);

  // Servers that could take it if they had room, with who is there; `most` of them, from somewhere
  // among all.
  std::vector<HostPicture> Hosts(const v1::CreateSessionRequest& request, size_t most) const;
  Wanted WantedOf(const v1::SessionSpec& spec, uint32_t project) const;
  // What a session of the project may move over the network in a second, in bytes; 0: no limit.
  uint64_t NetLimitOf(const v1::SessionSpec& spec, uint32_t project) const;

  // Changes whenever there may be room that there was not before.
  uint64_t room_changes() const { return room_changes_; }

  // A session has given back what it had.
  struct Freed {
    uint32_t server = 0;   // index in placement's view
    uint32_t project = 0;  // index in the tree
  };

  // What has become free since room_changes() was `change`; nothing: other things have changed,
  // too, or too many.
  std::optional<std::vector<Freed>> FreedSince(uint64_t change) const;
  // Whether one of these servers can take it as they are; quotas are another question.
  bool CanTake(const v1::CreateSessionRequest& wanted,
               const std::vector<Freed>& freed,
               const Now& now) const;
  // Why no server that there is could ever take it, if that is so.
  std::optional<std::string> WhyNever(const v1::CreateSessionRequest& wanted) const;
  // What the pool has, but for servers that are lost.
  void RefreshCapacity();

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

  struct Charged {
    uint32_t project = 0;
    Priority priority = Priority::kStandard;
    Amount amount{};
  };

  struct LastWork {
    uint64_t gpu_ns = 0;
    int64_t since_ms = 0;
  };

  std::map<std::string, Promises> PromisesByServer() const;
  void PromiseAgain(const std::string& server);
  void TakeReport(v1::Session* session, const std::string& server, const Now& now);
  void TakeAge(v1::Session* session, const v1::SessionLoad& said, const Now& now);
  void SetLoads(const std::string& server, const v1::Load& load);
  void SetState(const std::string& server);
  NetworkView ViewFrom(const v1::SessionSpec& spec, const Now& now) const;
  void Describe(std::vector<v1::Candidate>* candidates) const;
  Objection NoRoom(const Request& request, const NetworkView& network) const;
  bool SetServers(const Decision& decision, v1::Session* session) const;
  static void SetTokens(const token::SessionToken& common, const Now& now, Grant* grant);
  void EndEverywhere(v1::Session* session,
                     v1::Phase phase,
                     const std::string& why,
                     const Now& now,
                     std::vector<Order>* orders);
  void End(v1::Session* session, v1::Phase phase, const std::string& why, const Now& now);
  bool WasLeftAlone(const v1::Session& session, const Now& now);
  void ForgetOld(const Now& now);
  std::optional<Objection> CheckQuota(const v1::SessionSpec& spec);
  Result<uint32_t> SetFacts(const v1::Inventory& inventory);
  void NoteLive(const v1::Session& session);
  void ForgetLive(const v1::Session& session);
  std::vector<std::string> LiveAt(const std::string& server) const;
  static bool MayGoOn(const v1::Session& session);
  bool HasStayedAway(const std::string& server, const Now& now);
  void HearMissing(v1::Session* session,
                   const std::string& server,
                   const Now& now,
                   std::vector<v1::Session>* changed);
  void LookAtServer(const std::string& server,
                    const std::string& why_lost,
                    const Now& now,
                    std::vector<v1::Session>* changed,
                    std::vector<Order>* orders);
  void Charge(const v1::Session& session);
  void Refund(const std::string& id);
  void NoteRoom();
  HostPicture PictureOf(uint32_t server, const RequestFilter& filter, const Request& request) const;
  bool TryToGiveBack(const std::string& id, std::vector<Order>* orders);
  void AddToHosts(const v1::Session& session,
                  const Charged& charged,
                  const std::unordered_map<std::string, size_t>& by_id,
                  std::vector<HostPicture>* hosts) const;
  void TellServers(const v1::Session& session,
                   const v1::ToServer& say,
                   std::vector<Order>* orders) const;
  void TellToEnd(const v1::Session& session,
                 const std::string& why,
                 std::vector<Order>* orders) const;

  ServerBook servers_;
  ClusterView cluster_;  // the same servers, as placement sees them, and what they were promised
  PlacementSetup placement_;
  DistanceTable distances_;
  Learning learning_;
  std::map<std::string, v1::Session> sessions_;
  std::unordered_map<std::string, std::set<std::string>> live_;  // ids of sessions, by server_id
  std::map<std::string, v1::ServerOrders> orders_;               // by the server's name
  std::set<std::pair<int64_t, std::string>> over_;               // by when they ended
  std::vector<std::string> forgotten_;
  int64_t keep_ended_ms_ = kKeepEndedMs;
  std::map<std::string, uint64_t> reserved_since_ns_;  // as far as Look has seen
  std::set<std::string> timed_;  // sessions that began by this manager's own clock
  std::unordered_map<std::string, uint64_t> away_since_ns_;  // by server_id, likewise
  TenantTree tenants_;
  std::unordered_map<std::string, Charged> charges_;  // by session
  std::unordered_map<uint32_t, uint32_t> idle_limits_s_;
  std::unordered_map<std::string, LastWork> last_work_;  // of those whose project has such a limit
  bool capacity_is_stale_ = true;
  uint64_t room_changes_ = 1;
  // Those of the changes that were nothing but a session's leaving, the last ones.
  std::deque<Freed> freed_;
};

}  // namespace farlane::pool
