// SPDX-License-Identifier: Apache-2.0
#include "protocol/channel/wait_policy.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include <sched.h>

#include "protocol/base/clock.h"

namespace farlane::channel {
namespace {

// Twice the wake-up of an idle core in a virtual machine: a reply that comes later is cheaper slept
// for.
constexpr uint64_t kSpinNs = 50'000;

constexpr long kUnlimited = 1 << 20;

// How many cores' time a container may use; as many as you like where nothing says less.
long CoresOfQuota(const char* path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path, "re"), &fclose);
  long long quota = 0;
  long long period = 0;
  if (file == nullptr || fscanf(file.get(), "%lld %lld", &quota, &period) != 2 || quota <= 0 ||
      period <= 0) {
    return kUnlimited;
  }
  return static_cast<long>(std::min<long long>(quota / period, kUnlimited));
}

}  // namespace

WaitPolicy WaitPolicy::Default() {
  cpu_set_t allowed;
  const bool known = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  const long cores =
      std::min<long>(known ? CPU_COUNT(&allowed) : 1, CoresOfQuota("/sys/fs/cgroup/cpu.max"));
  return WaitPolicy(cores >= 2 ? kSpinNs : 0);
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
