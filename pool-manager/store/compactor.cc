// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/store/compactor.h"

#include "protocol/base/log.h"

namespace farlane::pool {

void Compactor::Look(uint64_t now_ns) {
  if (noted_ != 0 && now_ns - looked_ns_ < turn_ns_) {
    return;
  }
  looked_ns_ = now_ns;
  const Result<Page> now = store_.Range({.prefix = "/farlane/", .limit = 1, .from_key = {}});
  if (!now.ok()) {
    return;  // at the next turn
  }
  const int64_t before = noted_;
  noted_ = now->revision;
  if (before <= compacted_) {
    return;
  }
  const Status done = store_.Compact(before);
  // Another manager, or an operator, may have come first.
  if (done.ok() || done.code() == store_error::kCompacted) {
    compacted_ = before;
  } else {
    LogWarn("the store's history cannot be shortened: %s", done.message().c_str());
  }
}

}  // namespace farlane::pool
