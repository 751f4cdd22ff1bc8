// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/fault_guard.h"

#include <csetjmp>
#include <cstdlib>
#include <iterator>
#include <utility>

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"
#include "soft-gpu/exec/page_move.h"
#include "soft-gpu/exec/stack_switch.h"
#include "soft-gpu/exec/window.h"

namespace farlane::soft {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
// One of those that no thread blocks, and of them the one that is hardly ever sent by anybody.
constexpr int kInterruptSignal = SIGILL;
constexpr size_t kSignalStackBytes = 64_KiB;
// Whether a jump out of a handler brings back which signals the thread had blocked. Ours changes
// none; that of the thread sanitizer, which calls ours, blocks all.
#if defined(__SANITIZE_THREAD__)
constexpr int kJumpRestoresMask = 1;
#else
constexpr int kJumpRestoresMask = 0;
#endif

struct Frame {
  sigjmp_buf back;
  GuardedEnd end;
  DeviceWindow window;
  const Interruption* interruption;
};

// Initial-exec, because a handler must find it without allocating.
thread_local Frame* current_frame __attribute__((tls_model("initial-exec"))) = nullptr;

struct sigaction previous_actions[NSIG];

std::atomic<bool> interrupts_sent{false};

// A handler cannot run on a stack that has just overflowed, so each thread gets one for signals.
// Thread: the one that made it.
class SignalStack {
 public:
  SignalStack() {
    stack_t before{};
    if (sigaltstack(nullptr, &before) == 0 && (before.ss_flags & SS_DISABLE) == 0) {
      return;  // the thread has one already
    }
    memory_ = mmap(nullptr, kSignalStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    FARLANE_CHECK(memory_ != MAP_FAILED);
    stack_t stack{};
    stack.ss_sp = memory_;
    stack.ss_size = kSignalStackBytes;
    FARLANE_CHECK(sigaltstack(&stack, nullptr) == 0);
  }

  ~SignalStack() {
    if (memory_ != nullptr) {
      stack_t none{};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
      munmap(memory_, kSignalStackBytes);
    }
  }

 private:
  void* memory_ = nullptr;
};

// Compiled code reaches only the window and its arena, and the arena is mapped throughout: an
// access that fails elsewhere is one of the processor's stack.
Fault FaultOf(int signal, const siginfo_t& info, const DeviceWindow& window) {
  if (signal == SIGILL) {
    return Fault::kIllegalInstruction;
  }
  if (signal == SIGFPE) {
    return Fault::kTrap;
  }
  const uint64_t offset = reinterpret_cast<uint64_t>(info.si_addr) - window.base;
  return offset < window.size_bytes ? Fault::kIllegalAddress : Fault::kStackOverflow;
}

void PassOn(int signal, siginfo_t* info, void* context) {
  const struct sigaction& previous = previous_actions[signal];
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler == SIG_DFL) {
    // Handled again by the default action once the failing instruction runs anew.
    sigaction(signal, &previous, nullptr);
  } else if (previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  }
}

bool IsInterrupt(int signal, const siginfo_t& info) {
  return signal == kInterruptSignal && info.si_code == SI_TKILL && info.si_pid == getpid() &&
         interrupts_sent.load(std::memory_order_relaxed);
}

// Somebody may want the thread's guarded code to end.
void OnInterrupt(Frame* frame_or_null, const void* context) {
  if (frame_or_null == nullptr) {
    return;
  }
  const Interruption& interruption = *frame_or_null->interruption;
  const auto at =
      static_cast<uint64_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  if (interruption.wanted.load(std::memory_order_relaxed) && at >= interruption.code.begin &&
      at < interruption.code.end) {
    current_frame = nullptr;
    frame_or_null->end = {Fault::kStopped, 0, true};
    siglongjmp(frame_or_null->back, 1);
  }
}

void OnSignal(int signal, siginfo_t* info, void* context) {
  Frame* const frame = current_frame;
  if (IsInterrupt(signal, *info)) {
    OnInterrupt(frame, context);
    return;
  }
  if (signal == SIGSEGV && WaitForPageMove(info->si_addr)) {
    return;
  }
  if (frame == nullptr) {
    PassOn(signal, info, context);
    return;
  }
  current_frame = nullptr;
  frame->end = {FaultOf(signal, *info, frame->window), reinterpret_cast<uint64_t>(info->si_addr),
                true};
  siglongjmp(frame->back, 1);
}

void InstallOnce() {
  static const bool installed = [] {
    for (const int signal : kSignals) {
      struct sigaction action {};
      action.sa_sigaction = OnSignal;
      // No mask is changed, so the jump out of the handler has none to restore.
      action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
      sigemptyset(&action.sa_mask);
      FARLANE_CHECK(sigaction(signal, &action, &previous_actions[signal]) == 0);
    }
    return true;
  }();
  static_cast<void>(installed);
}

}  // namespace

void CatchFaults() {
  InstallOnce();
}

GuardedEnd RunGuarded(void (*function)(void*), void* argument, const Interruption& interruption) {
  static thread_local SignalStack signal_stack;
  InstallOnce();
  FARLANE_CHECK(current_frame == nullptr);
  Frame frame;
  frame.window = CurrentDeviceWindow();
  frame.interruption = &interruption;
  if (sigsetjmp(frame.back, kJumpRestoresMask) == 0) {
    current_frame = &frame;
    function(argument);
  } else {
    BackOnOwnStack();
  }
  current_frame = nullptr;
  return frame.end;
}

void InterruptGuarded(pthread_t thread) {
  interrupts_sent.store(true, std::memory_order_relaxed);
  pthread_kill(thread, kInterruptSignal);
}

void LeaveGuarded(Fault fault, uint64_t address) {
  Frame* const frame = std::exchange(current_frame, nullptr);
  FARLANE_CHECK(frame != nullptr);
  frame->end = {fault, address, false};
  siglongjmp(frame->back, 1);
}

GuardPause::GuardPause() : paused_(std::exchange(current_frame, nullptr)) {}

GuardPause::~GuardPause() {
  current_frame = static_cast<Frame*>(paused_);
}

}  // namespace farlane::soft
