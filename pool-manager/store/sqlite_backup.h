// SPDX-License-Identifier: Apache-2.0
// Backups of a SqliteStore are stores themselves: one file, as of one revision. Restoring one puts
// it in the place of a store that nobody has open.
#pragma once

#include <string>

#include "protocol/base/result.h"

namespace farlane::pool {

struct StoreCopy {
  std::string from;
  std::string to;  // replaced if it is there; it is there wholly or not at all
  std::string from_vfs;
};

// The store may be in use meanwhile.
Status CopyStore(const StoreCopy& copy);

struct StoreRestore {
  std::string backup;
  std::string store;
  // The restored store goes on so far above the backup's revision, and its history begins there:
  // nobody takes a new revision, or an epoch of a leader, for an old one that was lost.
  int64_t revision_gap = 1'000'000'000;
};

// Checks the backup, then replaces the store's content in one transaction: a restore that is cut
// off has changed nothing. kFenced: the store is in use. A store that is corrupt is not replaced;
// it must be moved away first.
Status RestoreStore(const StoreRestore& restore);

}  // namespace farlane::pool
