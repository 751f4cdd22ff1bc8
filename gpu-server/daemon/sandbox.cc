// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/sandbox.h"

#include <cerrno>
#include <memory>

#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace farlane::server {
namespace {

// Another program in our place would be free of what this process has given up in its memory.
constexpr int kPrograms[] = {SCMP_SYS(execve), SCMP_SYS(execveat)};

// A driver that is loaded makes threads, never processes.
constexpr int kProcesses[] = {SCMP_SYS(fork), SCMP_SYS(vfork)};

// Other workers and the daemon run as the same user: their memory and descriptors are within reach
// of these.
constexpr int kOtherProcesses[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(kcmp),
    SCMP_SYS(process_madvise),
    SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(move_pages),
};

// Another view of the file system or of the machine.
constexpr int kNamespaces[] = {
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
};

// The kernel itself, for a daemon that runs as root.
constexpr int kKernel[] = {
    SCMP_SYS(kexec_load),    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),   SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(reboot),
    SCMP_SYS(swapon),        SCMP_SYS(swapoff),
    SCMP_SYS(acct),          SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime), SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname), SCMP_SYS(syslog),
    SCMP_SYS(iopl),          SCMP_SYS(ioperm),
    SCMP_SYS(vhangup),       SCMP_SYS(lookup_dcookie),
    SCMP_SYS(nfsservctl),
};

// Large interfaces of the kernel that no driver of a GPU uses, and where its own flaws are found.
// io_uring also makes calls that no filter sees.
constexpr int kWideInterfaces[] = {
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(personality),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(vmsplice),
};

// Somebody else's rights.
constexpr int kIdentity[] = {
    SCMP_SYS(setuid),    SCMP_SYS(setgid),    SCMP_SYS(setreuid), SCMP_SYS(setregid),
    SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups), SCMP_SYS(capset),
};

// The worker has its one connection already. Drivers bind and listen on Unix sockets of their own,
// so only reaching out is denied.
constexpr int kReachingOut[] = {SCMP_SYS(connect)};

// A new process or another namespace by way of clone.
constexpr scmp_datum_t kCloneNamespaces[] = {CLONE_NEWNS,    CLONE_NEWUTS, CLONE_NEWIPC,
                                             CLONE_NEWPID,   CLONE_NEWNET, CLONE_NEWUSER,
                                             CLONE_NEWCGROUP};

// The part of socket()'s type that is no flag.
constexpr scmp_datum_t kSocketType = 0xf;

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

template <size_t N>
int Deny(const Filter& filter, const int (&calls)[N]) {
  for (const int call : calls) {
    const int failed = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0);
    // EDOM: this kind of machine has no such call.
    if (failed != 0 && failed != -EDOM) {
      return failed;
    }
  }
  return 0;
}

int DenyIf(const Filter& filter, int call, scmp_arg_cmp condition) {
  return seccomp_rule_add_array(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 1, &condition);
}

int DenyByArguments(const Filter& filter) {
  // Signals to itself stay: abort() and a debugger's breakpoint need them.
  const auto self = static_cast<scmp_datum_t>(getpid());
  int failed = DenyIf(filter, SCMP_SYS(kill), SCMP_A0(SCMP_CMP_NE, self, 0));
  failed = failed != 0 ? failed : DenyIf(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_NE, self, 0));
  // Its own limits may be asked for; 0 means itself.
  failed = failed != 0 ? failed : DenyIf(filter, SCMP_SYS(prlimit64), SCMP_A0(SCMP_CMP_NE, 0, 0));
  // No network; Unix sockets are what threads of a driver talk over.
  failed =
      failed != 0 ? failed : DenyIf(filter, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_NE, AF_UNIX, 0));
  // Without connect, a Unix socket could still reach others by sending to an address: in datagrams,
  // which "raw" is another name for. Drivers use streams and sequenced packets.
  for (const int call : {SCMP_SYS(socket), SCMP_SYS(socketpair)}) {
    for (const scmp_datum_t type : {SOCK_DGRAM, SOCK_RAW}) {
      failed = failed != 0 ? failed
                           : DenyIf(filter, call, SCMP_A1(SCMP_CMP_MASKED_EQ, kSocketType, type));
    }
  }
  failed = failed != 0 ? failed : DenyIf(filter, SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_NE, 0, 0));
  // A clone that is no thread is a process.
  failed = failed != 0
               ? failed
               : DenyIf(filter, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
  for (const scmp_datum_t flag : kCloneNamespaces) {
    failed = failed != 0 ? failed
                         : DenyIf(filter, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
  }
  // The flags of clone3 lie in memory, where no filter can see them; without it, clone is used.
  return failed != 0 ? failed
                     : seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

int Build(const Filter& filter) {
  // All threads that exist get the filter as well: a driver has started some.
  int failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  failed = failed != 0 ? failed : Deny(filter, kPrograms);
  failed = failed != 0 ? failed : Deny(filter, kProcesses);
  failed = failed != 0 ? failed : Deny(filter, kOtherProcesses);
  failed = failed != 0 ? failed : Deny(filter, kNamespaces);
  failed = failed != 0 ? failed : Deny(filter, kKernel);
  failed = failed != 0 ? failed : Deny(filter, kWideInterfaces);
  failed = failed != 0 ? failed : Deny(filter, kIdentity);
  failed = failed != 0 ? failed : Deny(filter, kReachingOut);
  return failed != 0 ? failed : DenyByArguments(filter);
}

}  // namespace

Status EnterSandbox() {
  // A core file would hold the client's data.
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) {
    return Status::FromErrno(StatusCode::kInternal, "cannot forbid core files", errno);
  }
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Status::FromErrno(StatusCode::kInternal, "cannot give up new privileges", errno);
  }
  const Filter filter(seccomp_init(SCMP_ACT_ALLOW), seccomp_release);
  if (filter == nullptr) {
    return Status(StatusCode::kExhausted, "no memory for a filter of system calls");
  }
  const int failed = Build(filter);
  if (failed != 0) {
    return Status::FromErrno(StatusCode::kInternal, "cannot build the filter of system calls",
                             -failed);
  }
  const int loaded = seccomp_load(filter.get());
  if (loaded != 0) {
    return Status::FromErrno(StatusCode::kInternal, "cannot load the filter of system calls",
                             -loaded);
  }
  return Status::Ok();
}

}  // namespace farlane::server
