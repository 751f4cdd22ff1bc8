// SPDX-License-Identifier: Apache-2.0
// SessionSaver stores what becomes of sessions, one after the other, each as it is when its turn
// has come: so a store that is slow delays nobody who only reports, and what is stored last is what
// is so.
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
  };

  SessionSaver(SessionStore& store, Source source);
  SessionSaver(const SessionSaver&) = delete;
  SessionSaver& operator=(const SessionSaver&) = delete;
  // Stores what is left to be stored.
  ~SessionSaver();

  // Does not wait, so that the threads may call this that bring the store's answers.
  void SaveSoon(const std::vector<v1::Session>& sessions);
  // Returns when it was tried.
  void Save(const std::string& id);

 private:
  void Loop();

  SessionStore& store_;
  const Source source_;
  std::mutex saving_;  // held from looking how a session is until that is stored
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::string> waiting_;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace farlane::pool
