// SPDX-License-Identifier: Apache-2.0
// The part of Pool that follows the sessions that are not over, server by server.
#include "pool-manager/core/pool.h"

namespace farlane::pool {

void Pool::NoteLive(const v1::Session& session) {
  live_[session.server_id()].insert(session.id());
}

// Of a session that is not over.
void Pool::HearSession(v1::Session* session,
                       const v1::SessionLoad* said_or_null,
                       const Now& now,
                       std::vector<v1::Session>* changed) {
  if (said_or_null != nullptr) {
    *session->mutable_load() = *said_or_null;
    if (session->phase() != v1::ACTIVE) {
      session->set_phase(v1::ACTIVE);
      session->set_reason("");
      session->set_started_ms(session->started_ms() == 0 ? now.ms : session->started_ms());
      changed->push_back(*session);
    }
    return;
  }
  // What is reserved has time until its token expires; what was there and is not is over.
  if (session->phase() == v1::ACTIVE) {
    End(session, v1::RELEASED, "its last process has ended", now);
    changed->push_back(*session);
  } else if (session->phase() == v1::UNKNOWN) {
    End(session, v1::EXPIRED, "it had ended when its server came back", now);
    changed->push_back(*session);
  }
}

void Pool::LookAtServer(const std::string& server,
                        bool is_lost,
                        const Now& now,
                        std::vector<v1::Session>* changed) {
  std::set<std::string>& live = live_[server];
  if (live.empty()) {
    live_.erase(server);
    return;
  }
  const auto entry = servers_.servers().find(server);
  const bool is_unreachable =
      entry != servers_.servers().end() && entry->second.state == v1::UNREACHABLE;
  for (auto next = live.begin(); next != live.end();) {
    v1::Session& session = sessions_[*next++];  // before it may end
    if (session.phase() == v1::RESERVED && now.ms > session.created_ms() + 2 * kTokenMs) {
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

}  // namespace farlane::pool
