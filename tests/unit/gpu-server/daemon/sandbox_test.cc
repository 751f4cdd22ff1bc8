// SPDX-License-Identifier: Apache-2.0
// What a process in the sandbox cannot do. Each attempt is one that works outside of it.
#include "gpu-server/daemon/sandbox.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace farlane::server {
namespace {

constexpr int kNoSandbox = 99;
constexpr int kSucceeded = 98;

// Runs an attempt in a child in the sandbox; its errno, or kSucceeded.
int Attempt(const std::function<long()>& attempt) {
  const pid_t child = fork();
  if (child == 0) {
    if (!EnterSandbox().ok()) {
      _exit(kNoSandbox);
    }
    errno = 0;
    _exit(attempt() < 0 ? errno : kSucceeded);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Sandbox, NoOtherProgramRuns) {
  char* const arguments[] = {const_cast<char*>("true"), nullptr};
  EXPECT_EQ(Attempt([&] { return execv("/bin/true", arguments); }), EPERM);
  EXPECT_EQ(Attempt([&] { return execveat(AT_FDCWD, "/bin/true", arguments, nullptr, 0); }), EPERM);
}

TEST(Sandbox, NoNewProcesses) {
  EXPECT_EQ(Attempt([] { return fork(); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
}

TEST(Sandbox, NoNetwork) {
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK}) {
    EXPECT_EQ(Attempt([=] { return socket(family, SOCK_STREAM, 0); }), EPERM) << family;
  }
  EXPECT_EQ(Attempt([] { return socket(AF_UNIX, SOCK_STREAM, 0); }), kSucceeded);
  EXPECT_EQ(Attempt([] {
              const int made = socket(AF_UNIX, SOCK_STREAM, 0);
              sockaddr_un name{.sun_family = AF_UNIX, .sun_path = "/run/some.socket"};
              return connect(made, reinterpret_cast<sockaddr*>(&name), sizeof name);
            }),
            EPERM);
}

TEST(Sandbox, NoDatagramToAnAddress) {
  // As a worker that was taken over would: to a socket that somebody else listens on.
  const int mine = socket(AF_UNIX, SOCK_DGRAM, 0);
  sockaddr_un name{.sun_family = AF_UNIX, .sun_path = ""};
  const std::string path = "farlane-sandbox-" + std::to_string(getpid());
  memcpy(name.sun_path + 1, path.data(), path.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  const auto* address = reinterpret_cast<const sockaddr*>(&name);
  ASSERT_EQ(bind(mine, address, size), 0);
  const int inherited = socket(AF_UNIX, SOCK_DGRAM, 0);
  ASSERT_EQ(sendto(inherited, "x", 1, 0, address, size), 1) << "it works outside";

  EXPECT_EQ(Attempt([&] { return sendto(inherited, "x", 1, 0, address, size); }), EPERM);
  for (const int type : {SOCK_DGRAM, SOCK_RAW}) {
    EXPECT_EQ(Attempt([=] { return socket(AF_UNIX, type | SOCK_CLOEXEC, 0); }), EPERM);
    EXPECT_EQ(Attempt([=] {
                int ends[2];
                return socketpair(AF_UNIX, type, 0, ends);
              }),
              EPERM);
  }
  EXPECT_EQ(Attempt([] { return socket(AF_UNIX, SOCK_SEQPACKET, 0); }), kSucceeded);
  close(mine);
  close(inherited);
}

TEST(Sandbox, NoHandOnOtherProcesses) {
  const pid_t parent = getpid();
  EXPECT_EQ(Attempt([] { return ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }), EPERM);
  EXPECT_EQ(Attempt([=] {
              char byte = 0;
              iovec part{.iov_base = &byte, .iov_len = 1};
              return process_vm_readv(parent, &part, 1, &part, 1, 0);
            }),
            EPERM);
  EXPECT_EQ(Attempt([=] { return kill(parent, 0); }), EPERM);
  EXPECT_EQ(Attempt([=] { return syscall(SYS_tgkill, parent, parent, 0); }), EPERM);
  EXPECT_EQ(Attempt([=] { return syscall(SYS_pidfd_open, parent, 0); }), EPERM);
  EXPECT_EQ(Attempt([=] {
              rlimit limit{};
              return prlimit(parent, RLIMIT_NOFILE, nullptr, &limit);
            }),
            EPERM);
}

TEST(Sandbox, NoOtherNamespacesAndNoKernel) {
  EXPECT_EQ(Attempt([] { return unshare(CLONE_NEWUSER); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, 0); }), EPERM);
  EXPECT_EQ(Attempt([] { return chroot("/"); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_bpf, 0, nullptr, 0); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_io_uring_setup, 1, nullptr); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_personality, 0xffffffff); }), EPERM);
  EXPECT_EQ(Attempt([] { return syscall(SYS_setuid, getuid()); }), EPERM);
}

TEST(Sandbox, NoCoreAndNoNewPrivileges) {
  EXPECT_EQ(Attempt([] {
              rlimit limit{};
              getrlimit(RLIMIT_CORE, &limit);
              const bool closed = limit.rlim_max == 0;
              return closed && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -1;
            }),
            kSucceeded);
}

TEST(Sandbox, WhatADriverNeedsStays) {
  EXPECT_EQ(Attempt([] {
              void* const code =
                  mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              return mprotect(code, 4096, PROT_READ | PROT_EXEC);
            }),
            kSucceeded);
  EXPECT_EQ(Attempt([] { return memfd_create("driver", 0); }), kSucceeded);
  EXPECT_EQ(Attempt([] { return open("/dev/null", O_RDWR); }), kSucceeded);
  EXPECT_EQ(Attempt([] {
              std::atomic<bool> ran{false};
              std::thread([&ran] { ran = true; }).join();
              return ran ? 0 : -1;
            }),
            kSucceeded);
  EXPECT_EQ(Attempt([] { return raise(0); }), kSucceeded);
}

TEST(Sandbox, HoldsForThreadsThatWereThereBefore) {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<bool> locked{false};
    std::atomic<int> failed{0};
    std::thread driver([&] {
      while (!locked) {
      }
      failed = socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : kSucceeded;
    });
    const bool entered = EnterSandbox().ok();
    locked = true;
    driver.join();
    _exit(entered ? failed.load() : kNoSandbox);
  }
  int status = 0;
  waitpid(child, &status, 0);

  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

}  // namespace
}  // namespace farlane::server
