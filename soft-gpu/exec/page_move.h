// SPDX-License-Identifier: Apache-2.0
// Pages of the process are replaced by others with the same content, at the same addresses, while
// other threads use them. A thread that stores into them meanwhile is stopped by the processor and
// waits in the handler for faults, so no store is lost; a system call that writes there meanwhile
// fails with EFAULT.
#pragma once

#include <cstdint>

#include "protocol/base/status.h"

namespace farlane::soft {

// Whole pages that can be read and written. `file`: where the content goes, to be shared with other
// mappings of it; -1 for private memory. Any thread, but not one whose stack lies there.
Status MovePages(uint64_t base, uint64_t size_bytes, int file);

// For the handler of a fault at this address: true if the access is to be made again, after having
// waited for whoever moves the pages.
bool WaitForPageMove(const void* address);

}  // namespace farlane::soft
