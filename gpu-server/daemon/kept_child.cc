// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/kept_child.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/forked_child.h"
#include "protocol/base/log.h"

namespace farlane::server {

KeptChild::~KeptChild() {
  Bury();
}

Status KeptChild::Start(Life life) {
  life_ = std::move(life);
  return Fork();
}

Status KeptChild::Fork() {
  FARLANE_ASSIGN(SocketPair pair, MakeSocketPair());
  const pid_t daemon = getpid();
  WipeUnusedStack();
  const pid_t pid = fork();
  if (pid < 0) {
    return Status::FromErrno(StatusCode::kExhausted, std::string("cannot fork ") + what_, errno);
  }
  if (pid == 0) {
    life_(std::move(pair.worker), daemon);
    _exit(127);
  }
  pid_ = pid;
  link_ = std::move(pair.daemon);
  return Status::Ok();
}

void KeptChild::Hear(const std::function<void(ControlRecord& record)>& take,
                     const std::function<void()>& lost,
                     uint64_t now_ns) {
  while (link_.valid()) {
    ControlRecord record;
    const Received received = ReceiveRecord(link_.get(), &record, false);
    if (received == Received::kNothing) {
      break;
    }
    if (received == Received::kGone) {
      Bury();
      LogWarn("%s has ended; starting it again", what_);
      not_before_ns_ = now_ns + pause_ns_;
      lost();
    } else {
      take(record);
    }
    explicit_bzero(record.tail.data(), record.tail.size());
  }
  if (!link_.valid() && now_ns >= not_before_ns_) {
    not_before_ns_ = now_ns + pause_ns_;
    if (const Status status = Fork(); !status.ok()) {
      LogError("%s", status.message().c_str());
    }
  }
}

void KeptChild::GiveUp() {
  Bury();
  not_before_ns_ = UINT64_MAX;
}

void KeptChild::Bury() {
  link_.Reset();
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
  }
}

}  // namespace farlane::server
