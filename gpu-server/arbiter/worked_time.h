// SPDX-License-Identifier: Apache-2.0
// WorkedTime is how much of what the workers of one GPU say they have used can have been theirs.
// Each measures by itself, from the begin of its work to the end, and where the device has work of
// several, each measures that of the others, too: of a hundred that begin together, the last one
// measures all. Together they cannot have had more of the device than there was time. So whoever
// says too much has an equal part of what those leave who say less.
//
// All times are given: the same calls give the same answers.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace farlane::server {

// Thread: one at a time (the daemon's main thread).
class WorkedTime {
 public:
  using Worker = uint64_t;

  // What a worker says since it was asked last.
  struct Told {
    uint64_t used_ns = 0;
    uint64_t commands = 0;   // that have ended
    bool in_flight = false;  // the device has more
  };

  void Leave(Worker worker) { members_.erase(worker); }

  // Each worker is noted once, and then the time until now is divided.
  void Note(Worker worker, const Told& told);
  void Divide(uint64_t now_ns);

  // What was told of the worker by the last Note: the part of `told_ns` that can have been.
  uint64_t Cut(Worker worker, uint64_t told_ns) const;

 private:
  struct Member {
    Told told;
    bool had = false;     // the device had something of its when it was noted before
    bool beside = false;  // ... and of others, since what it says next began
    // What it says next has begun after this: it has said since what had ended before.
    uint64_t since_ns = 0;
    uint64_t told_ns = 0;
  };

  static bool IsAtWork(const Member& member) {
    return member.had || member.told.in_flight || member.told.used_ns != 0;
  }

  static bool Settle(Member& member, bool others, uint64_t now_ns);
  uint64_t Level(uint64_t said_ns);

  std::map<Worker, Member> members_;
  std::vector<uint64_t> said_;  // of one Divide
  uint64_t now_ns_ = 0;
  uint64_t left_ns_ = 0;           // of the time until now, what nobody has said anything of
  uint64_t most_ns_ = UINT64_MAX;  // nobody has had more between the last two Divides
};

}  // namespace farlane::server
