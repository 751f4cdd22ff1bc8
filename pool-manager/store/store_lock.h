// SPDX-License-Identifier: Apache-2.0
// StoreLock keeps a store's file for one process: whoever comes second is refused, and told who
// has it. The system takes it back when the holder dies, however it dies.
#pragma once

#include <string>

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::pool {

// Thread: caller's.
class StoreLock {
 public:
  // `path` is the store's; the lock lies beside it.
  static Result<StoreLock> Take(const std::string& path);

 private:
  Fd file_;
};

}  // namespace farlane::pool
