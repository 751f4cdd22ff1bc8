// SPDX-License-Identifier: Apache-2.0
// A disk that fills up, or fails, when the test says so: a layer between SQLite and the real files.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <sqlite3.h>

namespace farlane::pool {

// There is one for the whole process: SQLite knows it by its name. Made before its first store.
// Thread: any.
class FailingDisk {
 public:
  static FailingDisk& Instance();

  const char* name() const { return "farlane-failing-disk"; }

  // From now on so many bytes can be written; the write that passes it is done in part.
  void SetRoom(int64_t bytes) { room_ = bytes; }

  void SetSyncFails(bool fails) { sync_fails_ = fails; }

  void Heal() {
    room_ = INT64_MAX;
    sync_fails_ = false;
  }

  int64_t syncs() const { return syncs_; }

  // For the layer only.
  int64_t TakeRoom(int64_t bytes);
  bool Syncs();

 private:
  FailingDisk();

  std::atomic<int64_t> room_ = INT64_MAX;
  std::atomic<bool> sync_fails_ = false;
  std::atomic<int64_t> syncs_ = 0;
};

}  // namespace farlane::pool
