// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/system_calls.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace farlane::cli {

#if defined(__x86_64__)

namespace {

// Newer than the headers of some systems.
constexpr int kSetDispatch = 59;
constexpr unsigned long kDispatchOff = 0;
constexpr unsigned long kDispatchOn = 1;
constexpr char kAllow = 0;
constexpr char kHandOver = 1;
constexpr unsigned long kRestorerFlag = 0x0400'0000;  // SA_RESTORER

// As the kernel wants it, since the C library's sigaction puts its own restorer in.
struct KernelAction {
  void (*handler)(int, siginfo_t*, void*);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

// The kernel looks at it before each call.
thread_local volatile char dispatch = kAllow;
thread_local volatile uint64_t counted = 0;
thread_local volatile bool gave_up = false;

// A call that must be made where the program made it: it comes back with another stack.
bool CannotBeMadeHere(long number) {
  return number == SYS_clone || number == SYS_clone3 || number == SYS_fork || number == SYS_vfork ||
         number == SYS_rt_sigreturn;
}

}  // namespace

// The only place of which the kernel takes calls whatever `dispatch` says: the way back out of the
// handler.
extern "C" void farlane_dispatch_return();
extern "C" const char farlane_dispatch_return_end[];
__asm__(
    ".pushsection .text\n"
    "farlane_dispatch_return:\n"
    "  mov $15, %eax\n"  // rt_sigreturn
    "  syscall\n"
    "  nop\n"
    "farlane_dispatch_return_end:\n"
    ".popsection\n");

namespace {

long MakeCall(const greg_t* registers) {
  long result = registers[REG_RAX];
  register long fourth __asm__("r10") = registers[REG_R10];
  register long fifth __asm__("r8") = registers[REG_R8];
  register long sixth __asm__("r9") = registers[REG_R9];
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(registers[REG_RDI]), "S"(registers[REG_RSI]), "d"(registers[REG_RDX]),
                     "r"(fourth), "r"(fifth), "r"(sixth)
                   : "rcx", "r11", "memory");
  return result;
}

__attribute__((no_sanitize("address", "thread", "undefined"))) void OnSystemCall(
    int /*signal*/, siginfo_t* /*info*/, void* context) {
  dispatch = kAllow;
  auto* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (CannotBeMadeHere(registers[REG_RAX])) {
    constexpr greg_t kSystemCallBytes = 2;
    registers[REG_RIP] -= kSystemCallBytes;  // once more, and nobody looks at it
    gave_up = true;
    return;
  }
  counted = counted + 1;
  registers[REG_RAX] = MakeCall(registers);
  dispatch = kHandOver;
}

bool Dispatch(unsigned long mode) {
  const auto start = reinterpret_cast<unsigned long>(&farlane_dispatch_return);
  const auto end = reinterpret_cast<unsigned long>(&farlane_dispatch_return_end[0]);
  return mode == kDispatchOn ? prctl(kSetDispatch, mode, start, end - start, &dispatch) == 0
                             : prctl(kSetDispatch, mode, 0ul, 0ul, 0ul) == 0;
}

}  // namespace

Result<uint64_t> CountSystemCalls(const std::function<void()>& act) {
  const KernelAction action = {.handler = &OnSystemCall,
                               .flags = SA_SIGINFO | SA_NODEFER | kRestorerFlag,
                               .restorer = &farlane_dispatch_return,
                               .mask = 0};
  KernelAction before{};
  constexpr size_t kMaskBytes = 8;
  counted = 0;
  gave_up = false;
  if (syscall(SYS_rt_sigaction, SIGSYS, &action, &before, kMaskBytes) != 0 ||
      !Dispatch(kDispatchOn)) {
    const int why = errno;
    act();
    return Status(StatusCode::kUnavailable,
                  std::string("the kernel hands over no system calls: ") + strerror(why));
  }
  dispatch = kHandOver;
  act();
  dispatch = kAllow;
  static_cast<void>(Dispatch(kDispatchOff));
  static_cast<void>(syscall(SYS_rt_sigaction, SIGSYS, &before, nullptr, kMaskBytes));
  if (gave_up) {
    return Status(StatusCode::kUnavailable, "a thread or a process was started meanwhile");
  }
  return static_cast<uint64_t>(counted);
}

#else

Result<uint64_t> CountSystemCalls(const std::function<void()>& act) {
  act();
  return Status(StatusCode::kUnavailable, "system calls are counted on x86-64 only");
}

#endif

}  // namespace farlane::cli
