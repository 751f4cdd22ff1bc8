// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/audited_session_store.h"

#include <algorithm>

namespace farlane::pool {
namespace {

// A session that is over is stored once or twice, soon one after the other.
constexpr size_t kOverMax = 100'000;

v1::AuditRecord RecordOf(const v1::Session& session) {
  v1::AuditRecord record;
  record.set_kind("session");
  record.set_object(session.id());
  record.set_user(session.user());
  record.set_project(session.spec().project());
  record.set_detail(v1::Phase_Name(session.phase()) + ": " + session.reason());
  record.set_gpu_ns(session.load().gpu_ns());
  record.set_received_bytes(session.load().received_bytes());
  record.set_sent_bytes(session.load().sent_bytes());
  record.set_moved_bytes(session.load().moved_bytes());
  if (session.started_ms() != 0) {
    record.set_lived_ms(std::max<int64_t>(0, session.ended_ms() - session.started_ms()));
  }
  return record;
}

}  // namespace

farlane::Status AuditedSessionStore::Save(const v1::Session& session) {
  const bool is_over = session.ended_ms() != 0;
  const bool is_new = is_over && over_.With([&session](std::set<std::string>& over) {
    if (over.size() >= kOverMax) {
      over.clear();
    }
    return over.insert(session.id()).second;
  });
  if (is_new) {
    guards_->audit().Note(RecordOf(session));
  }
  return LedSessionStore::Save(session);
}

}  // namespace farlane::pool
