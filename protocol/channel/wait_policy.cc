// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/wait_policy.h"

#include <sched.h>

#include "protocol/base/clock.h"

namespace farlane::channel {
namespace {

// Twice the wake-up of an idle core in a virtual machine: a reply that comes later is cheaper slept
// for.
constexpr uint64_t kSpinNs = 50'000;

}  // namespace

WaitPolicy WaitPolicy::Default() {
  cpu_set_t allowed;
  const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  return WaitPolicy(known && CPU_COUNT(&allowed) >= 2 ? kSpinNs : 0);
}

uint64_t WaitPolicy::Now() {
  return NowNs();
}

void WaitPolicy::Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace farlane::channel
