// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/session_saver.h"

#include <utility>

#include "protocol/base/log.h"

namespace farlane::pool {

SessionSaver::SessionSaver(SessionStore& store, Source source)
    : store_(store), source_(std::move(source)), thread_([this] { Loop(); }) {}

SessionSaver::~SessionSaver() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SessionSaver::SaveSoon(const std::vector<v1::Session>& sessions) {
  if (sessions.empty()) {
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const v1::Session& session : sessions) {
      waiting_.insert(session.id());
    }
  }
  changed_.notify_all();
}

// What is not stored now is found again when the session's server is heard: nothing is lost by it.
void SessionSaver::Save(const std::string& id) {
  const std::lock_guard<std::mutex> lock(saving_);
  const std::optional<v1::Session> session = source_.find(id);
  if (!session.has_value()) {
    return;
  }
  if (const farlane::Status status = store_.Save(*session); !status.ok()) {
    LogWarn("what has become of session %s cannot be stored: %s", id.c_str(),
            status.message().c_str());
  }
  for (const v1::Profile& profile : source_.learned()) {
    if (const farlane::Status status = store_.SaveProfile(profile); !status.ok()) {
      LogWarn("what was learned of a program cannot be stored: %s", status.message().c_str());
    }
  }
}

void SessionSaver::Loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) {
      return;
    }
    const std::set<std::string> now = std::exchange(waiting_, {});
    lock.unlock();
    for (const std::string& id : now) {
      Save(id);
    }
    lock.lock();
  }
}

}  // namespace farlane::pool
