// SPDX-License-Identifier: Apache-2.0
// The part of Pool that follows the sessions that are not over, server by server.
#include <algorithm>

#include "pool-manager/core/pool.h"
#include "pool-manager/core/session_parts.h"

namespace farlane::pool {
namespace {

// Why sessions are over of which their server has not spoken; they are stored.
constexpr char kLeft[] = "its last process has ended";
constexpr char kHadEnded[] = "it had ended when its server came back";

}  // namespace

// It is over only by what its server has said, which may say later that it runs all the same: a
// daemon that was started again has not found all of its workers yet. Or its server was lost, and
// nobody else was told to end it.
bool Pool::MayGoOn(const v1::Session& session) {
  return session.reason() == kLeft || session.reason() == kHadEnded ||
         (session.phase() == v1::FAILED && !IsSpread(session));
}

void Pool::NoteLive(const v1::Session& session) {
  for (const std::string& server : ServersOf(session)) {
    live_[server].insert(session.id());
  }
}

void Pool::ForgetLive(const v1::Session& session) {
  for (const std::string& server : ServersOf(session)) {
    const auto live = live_.find(server);
    if (live != live_.end() && live->second.erase(session.id()) != 0 && live->second.empty()) {
      live_.erase(live);
    }
  }
}

// A copy: those that end leave it.
std::vector<std::string> Pool::LiveAt(const std::string& server) const {
  const auto live = live_.find(server);
  return live == live_.end() ? std::vector<std::string>()
                             : std::vector<std::string>(live->second.begin(), live->second.end());
}

// Its server does not speak of it. What is reserved has time until its token expires; what was
// there and is not is over. Who uses one of its servers no more may go on with the others, and
// keeps what he was promised until he is gone from all.
void Pool::HearMissing(v1::Session* session,
                       const std::string& server,
                       const Now& now,
                       std::vector<v1::Session>* changed) {
  const v1::Phase was = PhaseAt(*session, server);
  if (was != v1::ACTIVE && was != v1::UNKNOWN) {
    return;
  }
  if (IsSpread(*session)) {
    SetPhaseAt(server, v1::RELEASED, "", session);
  }
  if (IsLeft(*session)) {
    const bool was_seen = was == v1::ACTIVE;
    End(session, was_seen ? v1::RELEASED : v1::EXPIRED, was_seen ? kLeft : kHadEnded, now);
  }
  changed->push_back(*session);
}

// All of it or nothing: what it has at its other servers is not left to it.
void Pool::EndEverywhere(v1::Session* session,
                         v1::Phase phase,
                         const std::string& why,
                         const Now& now,
                         std::vector<Order>* orders) {
  End(session, phase, why, now);
  if (IsSpread(*session)) {
    TellToEnd(*session, why, orders);
  }
}

void Pool::LookAtServer(const std::string& server,
                        const std::string& why_lost,
                        const Now& now,
                        std::vector<v1::Session>* changed,
                        std::vector<Order>* orders) {
  const auto entry = servers_.servers().find(server);
  const bool is_unreachable =
      entry != servers_.servers().end() && entry->second.state == v1::UNREACHABLE;
  for (const std::string& id : LiveAt(server)) {
    v1::Session& session = sessions_[id];
    const v1::Phase phase = PhaseAt(session, server);
    // Of a server that is not heard, nobody knows who has come there.
    if (WasLeftAlone(session, now) && phase == v1::RESERVED && IsReady(server)) {
      const bool is_partly = session.phase() != v1::RESERVED;
      const std::string where = is_partly ? " to " + NameAt(session, server) : "";
      EndEverywhere(&session, v1::EXPIRED, "nobody came" + where, now, orders);
      changed->push_back(session);
    } else if (phase == v1::ACTIVE && is_unreachable) {
      SetPhaseAt(server, v1::UNKNOWN, NameAt(session, server) + " cannot be reached", &session);
    } else if (!why_lost.empty() && phase != v1::RELEASED) {
      EndEverywhere(&session, v1::FAILED, NameAt(session, server) + " is " + why_lost, now, orders);
      changed->push_back(session);
    }
  }
}

Order Pool::Expel(const std::string& server,
                  const std::string& why,
                  const Now& now,
                  std::vector<v1::Session>* changed,
                  std::vector<Order>* orders) {
  Order order{.attachment = servers_.Expel(server, why, now.ms), .say = {}};
  SetState(server);
  v1::ToServer::Expelled& expelled = *order.say.mutable_expelled();
  expelled.set_reason(why);
  for (std::string& id : LiveAt(server)) {
    expelled.add_sessions(std::move(id));
  }
  LookAtServer(server, "none of the pool's any more: " + why, now, changed, orders);
  capacity_is_stale_ = true;
  return order;
}

// A session's beginning was stored by the clock of whoever led then. What it has had of its time,
// its server knows by a clock that nobody sets.
void Pool::TakeAge(v1::Session* session, const v1::SessionLoad& said, const Now& now) {
  const auto longest_ms = static_cast<uint64_t>(std::max<int64_t>(now.ms - 1, 0));
  if (said.age_ms() != 0 && timed_.insert(session->id()).second) {
    session->set_started_ms(now.ms - static_cast<int64_t>(std::min(said.age_ms(), longest_ms)));
  }
}

}  // namespace farlane::pool
