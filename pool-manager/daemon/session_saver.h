// SPDX-License-Identifier: Apache-2.0
// SessionSaver stores what becomes of sessions, a few at a time, each as it is when its turn has
// come: so a store that is slow delays nobody who only reports, and what is stored last of a
// session is what is so.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "pool-manager/daemon/session_store.h"

namespace farlane::pool {

// A mutex of its own, not Guarded: a thread waits for the condition.
// Thread: any.
class SessionSaver {
 public:
  struct Source {
    // How a session is now; nothing: it is not known any more.
    std::function<std::optional<v1::Session>(const std::string& id)> find;
    // What was learned of programs by what has become of their sessions, since this was asked last.
    std::function<std::vector<v1::Profile>()> learned;
    // What tenants have had until now.
    std::function<v1::TenantUse()> use;
  };

  SessionSaver(SessionStore& store, Source source);
  SessionSaver(const SessionSaver&) = delete;
  SessionSaver& operator=(const SessionSaver&) = delete;
  // Stores what is left to be stored.
  ~SessionSaver();

  // The store need not have them any more. Does not wait.
  void DropSoon(std::vector<std::string> ids);
  // Does not wait, so that the threads may call this that bring the store's answers.
  void SaveSoon(const std::vector<v1::Session>& sessions);
  // What tenants have had. Does not wait.
  void SaveUseSoon();
  // Returns when it was tried.
  void Save(const std::string& id);

 private:
  void Loop();
  void SaveAsItIs(const std::string& id);
  void Drop(const std::vector<std::string>& ids);
  void SaveUse();

  SessionStore& store_;
  const Source source_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> waiting_;
  std::set<std::string> busy_;  // from looking how a session is until that is stored
  std::vector<std::string> dropped_;
  bool use_is_due_ = false;
  bool ends_ = false;
  std::vector<std::thread> threads_;  // so many go to the store together
};

}  // namespace farlane::pool
