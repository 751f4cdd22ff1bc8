// SPDX-License-Identifier: Apache-2.0
// StateDir is a folder in which each worker with a client has a door, a Unix socket by which the
// successor of its daemon finds it. One daemon at a time uses a folder, and no other user.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class StateDir {
 public:
  // Makes the folder if there is none. kUnavailable: another daemon uses it.
  static Result<StateDir> Open(const std::string& path);

  // Of the workers that have, or had, a door.
  std::vector<pid_t> Doors() const;
  // A connection to whoever listens there, if that is the worker itself and this user.
  Result<Fd> Knock(pid_t worker) const;
  void Remove(pid_t worker) const;

 private:
  StateDir(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;
  Fd lock_;
};

// In a worker: a door of its own, which listens.
Result<Fd> OpenDoor(const std::string& state_dir);

// Whether the process at the other end of a Unix socket is of this user, and which it is.
bool IsOfThisUser(int socket, pid_t* process);

}  // namespace farlane::server
