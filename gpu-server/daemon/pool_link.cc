// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/pool_link.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpu-server/daemon/forked_child.h"
#include "protocol/base/log.h"
#include "protocol/base/sha256.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

// A program that has ended at its start will do so again.
constexpr uint64_t kPauseNs = 1'000'000'000;

std::string AgentProgram() {
  char path[4096];
  const ssize_t size = readlink("/proc/self/exe", path, sizeof path);
  std::string prefix(path, size > 0 ? static_cast<size_t>(size) : 0);
  for (int level = 0; level < 2; ++level) {
    prefix.resize(std::min(prefix.size(), prefix.rfind('/')));
  }
  return prefix + "/libexec/farlane/farlane-agent";
}

PoolTicket TicketOf(const wire::ClientHello& hello) {
  PoolTicket ticket{};
  static_assert(sizeof ticket.token == sizeof hello.token);
  memcpy(ticket.session, hello.session, sizeof ticket.session);
  const Sha256Digest digest = Sha256(std::as_bytes(std::span(hello.session_key)));
  memcpy(ticket.key_digest, digest.data(), digest.size());
  memcpy(ticket.token, hello.token, sizeof ticket.token - 1);
  return ticket;
}

}  // namespace

PoolLink::~PoolLink() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

Status PoolLink::Start(const PoolSettings& settings,
                       const std::string& server_id,
                       const std::string& control,
                       uint64_t now_ns) {
  arguments_ = {AgentProgram(), "--pool",  settings.manager, "--name", settings.name,
                "--server-id",  server_id, "--control",      control};
  if (!settings.key_file.empty()) {
    arguments_.insert(arguments_.end(), {"--key-file", settings.key_file});
  }
  for (const std::string& address : settings.advertised) {
    arguments_.insert(arguments_.end(), {"--address", address});
  }
  for (const std::string& label : settings.labels) {
    arguments_.insert(arguments_.end(), {"--label", label});
  }
  if (access(arguments_[0].c_str(), X_OK) != 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot execute " + arguments_[0], errno);
  }
  not_before_ns_ = now_ns + kPauseNs;
  return Fork();
}

Status PoolLink::Fork() {
  FARLANE_ASSIGN(SocketPair pair, MakeSocketPair());
  const pid_t daemon = getpid();
  WipeUnusedStack();
  const pid_t pid = fork();
  if (pid < 0) {
    return Status::FromErrno(StatusCode::kExhausted, "cannot fork the agent", errno);
  }
  if (pid == 0) {
    const Fd link = BecomeChild(std::move(pair.worker), daemon, "farlane-agent");
    fcntl(link.get(), F_SETFD, 0);
    const std::string number = std::to_string(link.get());
    std::vector<char*> arguments;
    for (std::string& argument : arguments_) {
      arguments.push_back(argument.data());
    }
    char option[] = "--link-fd";
    arguments.insert(arguments.end(), {option, const_cast<char*>(number.c_str()), nullptr});
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  pid_ = pid;
  control_ = std::move(pair.daemon);
  return Status::Ok();
}

bool PoolLink::Judge(uint64_t id, const wire::ClientHello& hello) {
  PoolTicket ticket = TicketOf(hello);
  ControlRecord record{.kind = Kind::kJudge, .id = id};
  record.tail.assign(reinterpret_cast<const char*>(&ticket), sizeof ticket);
  const bool asked = control_.valid() && SendRecord(control_.get(), record, false);
  explicit_bzero(&ticket, sizeof ticket);
  explicit_bzero(record.tail.data(), record.tail.size());
  return asked;
}

void PoolLink::Hear(const Ears& ears, uint64_t now_ns) {
  while (control_.valid()) {
    ControlRecord record;
    const Received received = ReceiveRecord(control_.get(), &record, false);
    if (received == Received::kNothing) {
      break;
    }
    if (received == Received::kGone) {
      Bury(now_ns, ears);
    } else if (record.kind == Kind::kJudged) {
      ears.judged(record.id, record.bytes == 1, record.tail);
    }
  }
  if (!control_.valid() && now_ns >= not_before_ns_) {
    not_before_ns_ = now_ns + kPauseNs;
    if (const Status status = Fork(); !status.ok()) {
      LogError("%s", status.message().c_str());
    }
  }
}

void PoolLink::Bury(uint64_t now_ns, const Ears& ears) {
  control_.Reset();
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  LogWarn("the agent that speaks with the pool has ended; starting it again");
  not_before_ns_ = now_ns + kPauseNs;
  ears.lost();
}

}  // namespace farlane::server
