// SPDX-License-Identifier: Apache-2.0
// Counts the system calls that this thread makes while something runs, those of libraries included:
// the kernel hands each of them to us first (PR_SET_SYSCALL_USER_DISPATCH), and we make it. That
// takes a microsecond each, so nothing is timed meanwhile.
#pragma once

#include <cstdint>
#include <functional>

#include "protocol/base/result.h"

namespace farlane::cli {

// kUnavailable: this kernel or processor cannot, or `act` did something that cannot be made for it,
// such as starting a thread; all of it has run in any case.
Result<uint64_t> CountSystemCalls(const std::function<void()>& act);

}  // namespace farlane::cli
