// SPDX-License-Identifier: Apache-2.0
// ThreadUse is what the calling thread has had of the machine. The difference of two says whether
// code between them was slow itself, or was only kept from running.
#pragma once

#include <cstdint>
#include <ctime>

#include <sys/resource.h>

namespace farlane {

struct ThreadUse {
  uint64_t cpu_ns = 0;
  uint64_t waits = 0;  // so often it gave the processor up by itself: slept, or waited for a file

  static ThreadUse Now() {
    timespec cpu{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    rusage use{};
    getrusage(RUSAGE_THREAD, &use);
    return {.cpu_ns = static_cast<uint64_t>(cpu.tv_sec) * 1'000'000'000ull +
                      static_cast<uint64_t>(cpu.tv_nsec),
            .waits = static_cast<uint64_t>(use.ru_nvcsw)};
  }
};

}  // namespace farlane
