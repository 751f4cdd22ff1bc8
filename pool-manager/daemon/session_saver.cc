// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/session_saver.h"

#include <iterator>
#include <utility>

#include "protocol/base/log.h"

namespace farlane::pool {
namespace {

constexpr size_t kAtATime = 8;

}  // namespace

SessionSaver::SessionSaver(SessionStore& store, Source source)
    : store_(store), source_(std::move(source)) {
  for (size_t i = 0; i < kAtATime; ++i) {
    threads_.emplace_back([this] { Loop(); });
  }
}

SessionSaver::~SessionSaver() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
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

void SessionSaver::DropSoon(std::vector<std::string> ids) {
  if (ids.empty()) {
    return;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    dropped_.insert(dropped_.end(), std::make_move_iterator(ids.begin()),
                    std::make_move_iterator(ids.end()));
  }
  changed_.notify_all();
}

void SessionSaver::SaveUseSoon() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    use_is_due_ = true;
  }
  changed_.notify_all();
}

// If it fails the next time stores it.
void SessionSaver::SaveUse() {
  const v1::TenantUse use = source_.use();
  if (use.tenants().empty()) {
    return;
  }
  if (const farlane::Status status = store_.SaveUse(use); !status.ok()) {
    LogWarn("what tenants have had cannot be stored: %s", status.message().c_str());
  }
}

// What is still there when the next manager begins is dropped by that one.
void SessionSaver::Drop(const std::vector<std::string>& ids) {
  if (const farlane::Status status = store_.DropSessions(ids); !status.ok()) {
    LogWarn("%zu sessions that are over stay in the store until the manager begins anew: %s",
            ids.size(), status.message().c_str());
  }
}

// What is not stored now is found again when the session's server is heard: nothing is lost by it.
void SessionSaver::Save(const std::string& id) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this, &id] { return !busy_.contains(id); });
    busy_.insert(id);
  }
  SaveAsItIs(id);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    busy_.erase(id);
  }
  changed_.notify_all();
}

void SessionSaver::SaveAsItIs(const std::string& id) {
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
    changed_.wait(
        lock, [this] { return ends_ || use_is_due_ || !waiting_.empty() || !dropped_.empty(); });
    if (!waiting_.empty()) {
      const std::string id = waiting_.extract(waiting_.begin()).value();
      lock.unlock();
      Save(id);
      lock.lock();
    } else if (!dropped_.empty()) {
      const std::vector<std::string> dropped = std::exchange(dropped_, {});
      lock.unlock();
      Drop(dropped);
      lock.lock();
    } else if (std::exchange(use_is_due_, false)) {
      lock.unlock();
      SaveUse();
      lock.lock();
    } else {
      return;
    }
  }
}

}  // namespace farlane::pool
