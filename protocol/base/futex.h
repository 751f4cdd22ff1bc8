// SPDX-License-Identifier: Apache-2.0
// Sleeping in the kernel until a word changes, among the threads of this process only. The kernel
// finds sleepers by the word's address alone, so they are found even if the page under the word is
// exchanged meanwhile; who waits as if other processes could wake him is found by what is mapped
// there, and then is not. std::atomic's own wait in libstdc++ 12 waits in that way.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace farlane {

// Sleeps while the word has the value, or not at all; whoever changes the word wakes who sleeps.
inline void SleepWhile(const std::atomic<uint32_t>& word, uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

// The word itself is not looked at: it may be gone already.
inline void WakeOne(const std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

inline void WakeAll(const std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace farlane
