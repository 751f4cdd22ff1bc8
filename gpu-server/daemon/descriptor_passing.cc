// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/descriptor_passing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/socket.h>

namespace farlane::server {

void SetText(WorkerReport* report, const std::string& text) {
  const size_t size = std::min(text.size(), sizeof report->text - 1);
  memcpy(report->text, text.data(), size);
  report->text[size] = '\0';
}

Result<SocketPair> MakeSocketPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return Status::FromErrno(StatusCode::kExhausted, "no socket pair for a worker", errno);
  }
  return SocketPair{.daemon = Fd(ends[0]), .worker = Fd(ends[1])};
}

bool SendReport(int socket, const WorkerReport& report) {
  return send(socket, &report, sizeof report, MSG_NOSIGNAL) == sizeof report;
}

bool ReceiveReport(int socket, WorkerReport* report) {
  ssize_t got = 0;
  do {
    got = recv(socket, report, sizeof *report, 0);
  } while (got < 0 && errno == EINTR);
  report->text[sizeof report->text - 1] = '\0';
  return got == sizeof *report;
}

bool SendDescriptor(int socket, int descriptor) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

Fd ReceiveDescriptor(int socket) {
  char byte = 0;
  iovec part{.iov_base = &byte, .iov_len = 1};
  int descriptor = -1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptor)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* const header = got == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
    return Fd();
  }
  memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return Fd(descriptor);
}

}  // namespace farlane::server
