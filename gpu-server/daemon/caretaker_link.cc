// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/caretaker_link.h"

#include <cerrno>
#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/caretaker.h"
#include "gpu-server/daemon/control_record.h"
#include "gpu-server/daemon/forked_child.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

// A library that has ended its process once may do so again.
constexpr uint64_t kPauseNs = 10'000'000'000;

}  // namespace

CaretakerLink::~CaretakerLink() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void CaretakerLink::Start(std::string library, uint64_t now_ns) {
  library_ = std::move(library);
  started_ns_ = now_ns;
  Fork();
}

void CaretakerLink::Fork() {
  Result<SocketPair> pair = MakeSocketPair();
  if (!pair.ok()) {
    LogWarn("%s", pair.error().message().c_str());
    return;
  }
  const pid_t daemon = getpid();
  WipeUnusedStack();
  const pid_t pid = fork();
  if (pid < 0) {
    LogWarn("cannot fork the caretaker: %s",
            Status::FromErrno(StatusCode::kExhausted, "fork", errno).message().c_str());
    return;
  }
  if (pid == 0) {
    RunCaretaker(std::move(pair->worker), daemon, library_);
  }
  pid_ = pid;
  control_ = std::move(pair->daemon);
}

void CaretakerLink::Hear(uint64_t now_ns) {
  while (control_.valid()) {
    ControlRecord record;
    const Received received = ReceiveRecord(control_.get(), &record, false);
    if (received == Received::kNothing) {
      break;
    }
    settled_ = true;
    if (received == Received::kGone) {
      Bury(now_ns);
    } else if (record.kind == Kind::kFailed) {
      LogInfo("the health of the devices is not known: %s", record.tail.c_str());
      Bury(now_ns);
      not_before_ns_ = UINT64_MAX;  // what is not there does not come by itself
    } else if (nvml::Report health;
               record.kind == Kind::kHealth && nvml::UnpackReport(record.tail, &health)) {
      health_ = std::move(health);
      ++looks_;
    }
  }
  if (!control_.valid() && now_ns >= not_before_ns_) {
    not_before_ns_ = now_ns + kPauseNs;
    Fork();
  }
}

void CaretakerLink::Bury(uint64_t now_ns) {
  control_.Reset();
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  health_ = {};
  not_before_ns_ = now_ns + kPauseNs;
}

}  // namespace farlane::server
