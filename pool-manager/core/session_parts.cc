// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/session_parts.h"

#include <algorithm>

namespace farlane::pool {
namespace {

template <typename Parts>
auto FindPart(Parts& parts, const std::string& server_id) {
  return std::find_if(parts.begin(), parts.end(), [&server_id](const v1::SessionPart& part) {
    return part.server_id() == server_id;
  });
}

bool HasPartIn(const v1::Session& session, v1::Phase phase) {
  return std::any_of(session.parts().begin(), session.parts().end(),
                     [phase](const v1::SessionPart& part) { return part.phase() == phase; });
}

bool IsWhollyIn(const v1::Session& session, v1::Phase phase) {
  return std::all_of(session.parts().begin(), session.parts().end(),
                     [phase](const v1::SessionPart& part) { return part.phase() == phase; });
}

// Somebody has come as soon as he has come anywhere.
v1::Phase PhaseOfAll(const v1::Session& session) {
  return HasPartIn(session, v1::UNKNOWN)     ? v1::UNKNOWN
         : IsWhollyIn(session, v1::RESERVED) ? v1::RESERVED
                                             : v1::ACTIVE;
}

// What is not a sum is of the first server, which stands for all where the way is meant.
v1::SessionLoad SumOf(const v1::Session& session) {
  v1::SessionLoad sum = session.parts(0).load();
  for (int i = 1; i < session.parts_size(); ++i) {
    const v1::SessionLoad& one = session.parts(i).load();
    sum.set_session_id(session.id());
    sum.set_clients(std::max(sum.clients(), one.clients()));  // most are at all of them
    sum.set_memory_bytes(sum.memory_bytes() + one.memory_bytes());
    sum.set_gpu_ns(sum.gpu_ns() + one.gpu_ns());
    sum.set_held_ns(sum.held_ns() + one.held_ns());
    sum.set_trips(sum.trips() + one.trips());
    sum.set_moved_bytes(sum.moved_bytes() + one.moved_bytes());
    sum.set_busy_ns(sum.busy_ns() + one.busy_ns());
    sum.set_received_bytes(sum.received_bytes() + one.received_bytes());
    sum.set_sent_bytes(sum.sent_bytes() + one.sent_bytes());
    sum.set_age_ms(std::max(sum.age_ms(), one.age_ms()));
  }
  return sum;
}

}  // namespace

std::vector<std::string> ServersOf(const v1::Session& session) {
  if (!IsSpread(session)) {
    return {session.server_id()};
  }
  std::vector<std::string> servers;
  for (const v1::SessionPart& part : session.parts()) {
    servers.push_back(part.server_id());
  }
  return servers;
}

bool IsAt(const v1::Session& session, const std::string& server_id) {
  return session.server_id() == server_id ||
         FindPart(session.parts(), server_id) != session.parts().end();
}

uint32_t DevicesAt(const v1::Session& session, const std::string& server_id) {
  const auto part = FindPart(session.parts(), server_id);
  return part == session.parts().end() ? std::max(session.spec().gpus(), 1u) : part->devices();
}

v1::Phase PhaseAt(const v1::Session& session, const std::string& server_id) {
  const auto part = FindPart(session.parts(), server_id);
  return part == session.parts().end() ? session.phase() : part->phase();
}

void SetPhaseAt(const std::string& server_id,
                v1::Phase phase,
                const std::string& why,
                v1::Session* session) {
  const auto part = FindPart(*session->mutable_parts(), server_id);
  if (part == session->mutable_parts()->end()) {
    session->set_phase(phase);
  } else {
    part->set_phase(phase);
    session->set_phase(PhaseOfAll(*session));
  }
  // That another of its servers cannot be reached still holds.
  if (phase == v1::UNKNOWN || session->phase() != v1::UNKNOWN) {
    session->set_reason(why);
  }
}

void SetLoadAt(const std::string& server_id, const v1::SessionLoad& load, v1::Session* session) {
  const auto part = FindPart(*session->mutable_parts(), server_id);
  if (part == session->mutable_parts()->end()) {
    *session->mutable_load() = load;
  } else {
    *part->mutable_load() = load;
    *session->mutable_load() = SumOf(*session);
  }
}

bool IsLeft(const v1::Session& session) {
  return IsWhollyIn(session, v1::RELEASED);
}

bool IsAwaited(const v1::Session& session) {
  return session.phase() == v1::RESERVED || HasPartIn(session, v1::RESERVED);
}

void ForgetWhoIsThere(const std::string& why, v1::Session* session) {
  for (v1::SessionPart& part : *session->mutable_parts()) {
    part.set_phase(part.phase() == v1::ACTIVE ? v1::UNKNOWN : part.phase());
  }
  const v1::Phase phase = IsSpread(*session)                 ? PhaseOfAll(*session)
                          : session->phase() == v1::RESERVED ? v1::RESERVED
                                                             : v1::UNKNOWN;
  session->set_phase(phase);
  if (phase == v1::UNKNOWN) {
    session->set_reason(why);
  }
}

std::string NameAt(const v1::Session& session, const std::string& server_id) {
  const auto part = FindPart(session.parts(), server_id);
  return part == session.parts().end() ? "its server" : "its server " + part->server();
}

}  // namespace farlane::pool
