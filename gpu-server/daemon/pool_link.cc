// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/pool_link.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "gpu-server/daemon/forked_child.h"
#include "protocol/base/sha256.h"

namespace farlane::server {
namespace {

using Kind = ControlRecord::Kind;

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

// Instead of the daemon's copy, the agent's program.
void BecomeAgent(std::vector<std::string> arguments, Fd control, pid_t daemon) {
  const Fd link = BecomeChild(std::move(control), daemon, "farlane-agent");
  fcntl(link.get(), F_SETFD, 0);
  arguments.insert(arguments.end(), {"--link-fd", std::to_string(link.get())});
  std::vector<char*> pointers;
  for (std::string& argument : arguments) {
    pointers.push_back(argument.data());
  }
  pointers.push_back(nullptr);
  execv(pointers[0], pointers.data());
  _exit(127);
}

}  // namespace

Status PoolLink::Start(const PoolSettings& settings,
                       const std::string& server_id,
                       const std::string& control) {
  std::vector<std::string> arguments = {AgentProgram(), "--pool",      settings.manager,
                                        "--name",       settings.name, "--server-id",
                                        server_id,      "--control",   control};
  if (!settings.key_file.empty()) {
    arguments.insert(arguments.end(), {"--key-file", settings.key_file});
  }
  for (const std::string& address : settings.advertised) {
    arguments.insert(arguments.end(), {"--address", address});
  }
  for (const std::string& label : settings.labels) {
    arguments.insert(arguments.end(), {"--label", label});
  }
  if (access(arguments[0].c_str(), X_OK) != 0) {
    return Status::FromErrno(StatusCode::kNotFound, "cannot execute " + arguments[0], errno);
  }
  return agent_.Start([arguments = std::move(arguments)](Fd control_end, pid_t daemon) {
    BecomeAgent(arguments, std::move(control_end), daemon);
  });
}

bool PoolLink::Judge(uint64_t id, const wire::ClientHello& hello) {
  PoolTicket ticket = TicketOf(hello);
  ControlRecord record{.kind = Kind::kJudge, .id = id};
  record.tail.assign(reinterpret_cast<const char*>(&ticket), sizeof ticket);
  const bool asked = agent_.link() >= 0 && SendRecord(agent_.link(), record, false);
  explicit_bzero(&ticket, sizeof ticket);
  explicit_bzero(record.tail.data(), record.tail.size());
  return asked;
}

void PoolLink::Hear(const Ears& ears, uint64_t now_ns) {
  agent_.Hear(
      [&](const ControlRecord& record) {
        if (record.kind == Kind::kJudged) {
          ears.judged(record.id, record.bytes == 1, record.tail);
        }
      },
      ears.lost, now_ns);
}

}  // namespace farlane::server
