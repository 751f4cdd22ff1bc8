// SPDX-License-Identifier: Apache-2.0
// The part of Pool that follows the sessions that are not over, server by server.
#include "pool-manager/core/pool.h"

namespace farlane::pool {
namespace {

// Why sessions are over of which their server has not spoken; they are stored.
constexpr char kLeft[] = "its last process has ended";
constexpr char kHadEnded[] = "it had ended when its server came back";

}  // namespace

// Only by what its server has said, which may say later that it runs all the same: a daemon that
// was started again has not found all of its workers yet.
bool Pool::WasEndedByServer(const v1::Session& session) {
  return session.reason() == kLeft || session.reason() == kHadEnded;
}

void Pool::NoteLive(const v1::Session& session) {
  live_[session.server_id()].insert(session.id());
}

void Pool::ForgetLive(const v1::Session& session) {
  const auto live = live_.find(session.server_id());
  if (live != live_.end() && live->second.erase(session.id()) != 0 && live->second.empty()) {
    live_.erase(live);
  }
}

// A copy: those that end leave it.
std::vector<std::string> Pool::LiveAt(const std::string& server) const {
  const auto live = live_.find(server);
  return live == live_.end() ? std::vector<std::string>()
                             : std::vector<std::string>(live->second.begin(), live->second.end());
}

// Its server does not speak of it. What is reserved has time until its token expires; what was
// there and is not is over.
void Pool::HearMissing(v1::Session* session, const Now& now, std::vector<v1::Session>* changed) {
  if (session->phase() == v1::ACTIVE) {
    End(session, v1::RELEASED, kLeft, now);
    changed->push_back(*session);
  } else if (session->phase() == v1::UNKNOWN) {
    End(session, v1::EXPIRED, kHadEnded, now);
    changed->push_back(*session);
  }
}

void Pool::LookAtServer(const std::string& server,
                        bool is_lost,
                        const Now& now,
                        std::vector<v1::Session>* changed) {
  const auto entry = servers_.servers().find(server);
  const bool is_unreachable =
      entry != servers_.servers().end() && entry->second.state == v1::UNREACHABLE;
  for (const std::string& id : LiveAt(server)) {
    v1::Session& session = sessions_[id];
    // Of a server that is not heard, nobody knows who has come there.
    if (WasLeftAlone(session, now) && IsReady(server)) {
      End(&session, v1::EXPIRED, "nobody came", now);
      changed->push_back(session);
    } else if (session.phase() == v1::ACTIVE && is_unreachable) {
      session.set_phase(v1::UNKNOWN);
      session.set_reason("its server cannot be reached");
    } else if (is_lost) {
      End(&session, v1::FAILED, "its server is lost", now);
      changed->push_back(session);
    }
  }
}

uint64_t Pool::Expel(const std::string& server,
                     const std::string& why,
                     const Now& now,
                     std::vector<v1::Session>* changed) {
  const uint64_t attachment = servers_.Expel(server, why, now.ms);
  SetState(server);
  LookAtServer(server, true, now, changed);
  capacity_is_stale_ = true;
  return attachment;
}

}  // namespace farlane::pool
