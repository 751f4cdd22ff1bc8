// SPDX-License-Identifier: Apache-2.0
// A session has a part at each of its servers: one, or several, if it was asked for across servers.
//
// It stays one session, with one name, one record in the store and one charge to its project: so
// one write grants all of its parts or none, what ends it cannot forget one of them, and a quota
// sees it once. Several sessions that belong together would need all of that to be kept in step. Of
// a session at one server everything stands in the session itself, and it lists no parts; what is
// asked here of either kind has one answer.
#pragma once

#include <string>
#include <vector>

#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// It is over several servers.
inline bool IsSpread(const v1::Session& session) {
  return session.parts_size() > 0;
}

// Their ids, the first first.
std::vector<std::string> ServersOf(const v1::Session& session);
bool IsAt(const v1::Session& session, const std::string& server_id);
// Promised there.
uint32_t DevicesAt(const v1::Session& session, const std::string& server_id);

// How it is at one of its servers; what it is at all follows from that.
v1::Phase PhaseAt(const v1::Session& session, const std::string& server_id);
// Of a session that is not over; `why`: of how it is now.
void SetPhaseAt(const std::string& server_id,
                v1::Phase phase,
                const std::string& why,
                v1::Session* session);
void SetLoadAt(const std::string& server_id, const v1::SessionLoad& load, v1::Session* session);

// Its processes have ended at all of its servers.
bool IsLeft(const v1::Session& session);
// At one of them nobody has come yet.
bool IsAwaited(const v1::Session& session);

// A manager has begun that has not heard its servers: whoever was there may be.
void ForgetWhoIsThere(const std::string& why, v1::Session* session);

// As sentences call one of its servers: "its server", or "its server gpu1", where it has others.
std::string NameAt(const v1::Session& session, const std::string& server_id);

}  // namespace farlane::pool
