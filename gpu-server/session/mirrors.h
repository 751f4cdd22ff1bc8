// SPDX-License-Identifier: Apache-2.0
// Mirrors keep, in this process's memory, what the client was last known to have of memory that
// both it and the device use. So what a device has changed is found by comparing, and nothing else
// is sent. A copy takes as much memory as was ever written to the range, but it is exact; what is
// only hashed could be made to look the same.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "protocol/base/bytes.h"

namespace farlane::server {

// A part of a mirror.
struct ChangedRun {
  uint64_t at = 0;
  uint64_t bytes = 0;
};

// One range, all zero at first. Thread: any, guarded: a leaf.
class Mirror {
 public:
  // Null when this process has no addresses left.
  static std::shared_ptr<Mirror> Make(uint64_t bytes);
  ~Mirror();

  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  uint64_t bytes() const { return known_.size(); }

  // The client has said what it has from `at` on: a packed piece of `bytes` bytes.
  void Note(uint64_t at, ConstBytes sent, uint64_t bytes);
  // What the client lacks of the content `now` that begins at `at`: runs in order, which begin
  // where a word of it does. It counts as told from now on.
  std::vector<ChangedRun> Take(uint64_t at, ConstBytes now);

 private:
  explicit Mirror(Bytes memory) : known_(memory) {}

  std::mutex mutex_;   // not Guarded: the size beside it needs none
  const Bytes known_;  // mapped; pages that were never written take no memory
};

// A place in a mirror.
struct MirrorPlace {
  std::shared_ptr<Mirror> mirror;  // shared with what is under way; null: none
  uint64_t at = 0;
};

// Thread: dispatch thread.
class Mirrors {
 public:
  // False: it overlaps another. `made` is false where there is no memory.
  bool Begin(uint64_t address, uint64_t bytes, bool* made);

  // False: none begins here.
  bool End(uint64_t address) { return mirrors_.erase(address) != 0; }

  // All of the range lies in the mirror; else there is none.
  MirrorPlace Find(uint64_t address, uint64_t bytes) const;

 private:
  std::map<uint64_t, std::shared_ptr<Mirror>> mirrors_;  // by address
};

}  // namespace farlane::server
