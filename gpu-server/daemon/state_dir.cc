// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/state_dir.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/own_folder.h"

namespace farlane::server {
namespace {

constexpr char kPrefix[] = "worker.";
constexpr size_t kNumberMax = 10;            // digits of a process
constexpr uint64_t kLockNs = 1'000'000'000;  // a daemon that has just been ended may still be going
constexpr useconds_t kLockPauseUs = 20'000;
constexpr int kBacklog = 4;  // one daemon at a time comes

std::string DoorOf(const std::string& state_dir, pid_t worker) {
  return state_dir + "/" + kPrefix + std::to_string(worker);
}

sockaddr_un NameOf(const std::string& path) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  memcpy(name.sun_path, path.data(), std::min(path.size(), sizeof name.sun_path - 1));
  return name;
}

Fd NewSocket() {
  return Fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

Result<StateDir> StateDir::Open(const std::string& path) {
  if (path.empty() || path[0] != '/' ||
      path.size() + sizeof kPrefix + kNumberMax + 1 > sizeof sockaddr_un{}.sun_path) {
    return Status(
        StatusCode::kInvalidArgument,
        "--state-dir takes an absolute path of no more than " +
            std::to_string(sizeof sockaddr_un{}.sun_path - sizeof kPrefix - kNumberMax - 1) +
            " characters: \"" + path + "\"");
  }
  FARLANE_TRY(MakeOwnFolder(path).While("taking --state-dir"));
  FARLANE_TRY(CheckOwnFolder(path).While("taking --state-dir"));
  Fd lock(open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!lock.valid()) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot use --state-dir " + path, errno);
  }
  const uint64_t until_ns = NowNs() + kLockNs;
  while (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (NowNs() >= until_ns) {
      return Status(StatusCode::kUnavailable, "another farlane-gpud uses --state-dir " + path);
    }
    usleep(kLockPauseUs);
  }
  return StateDir(path, std::move(lock));
}

std::vector<pid_t> StateDir::Doors() const {
  std::vector<pid_t> workers;
  std::error_code none;  // what cannot be read has no doors
  for (const auto& entry : std::filesystem::directory_iterator(path_, none)) {
    const std::string name = entry.path().filename();
    const size_t skip = sizeof kPrefix - 1;
    pid_t worker = 0;
    const char* const end = name.data() + name.size();
    if (name.rfind(kPrefix, 0) == 0 && name.size() > skip &&
        std::from_chars(name.data() + skip, end, worker).ptr == end && worker > 0) {
      workers.push_back(worker);
    }
  }
  return workers;
}

Result<Fd> StateDir::Knock(pid_t worker) const {
  const sockaddr_un name = NameOf(DoorOf(path_, worker));
  Fd socket = NewSocket();
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "nobody is behind the door", errno);
  }
  pid_t process = 0;
  if (!IsOfThisUser(socket.get(), &process) || process != worker) {
    return Status(StatusCode::kRefused, "somebody else is behind the door");
  }
  return socket;
}

void StateDir::Remove(pid_t worker) const {
  unlink(DoorOf(path_, worker).c_str());
}

Result<Fd> OpenDoor(const std::string& state_dir) {
  const std::string path = DoorOf(state_dir, getpid());
  const sockaddr_un name = NameOf(path);
  unlink(path.c_str());  // of a process that had our number
  Fd socket = NewSocket();
  if (bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
      listen(socket.get(), kBacklog) != 0) {
    return Status::FromErrno(StatusCode::kUnavailable, "cannot make the door " + path, errno);
  }
  return socket;
}

bool IsOfThisUser(int socket, pid_t* process) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return false;
  }
  *process = peer.pid;
  return peer.uid == geteuid();
}

}  // namespace farlane::server
