// SPDX-License-Identifier: Apache-2.0
// Adoption finds the workers of a daemon that is gone, and hears from each whom it serves and what
// it holds. What becomes of them is decided elsewhere: who is not taken goes on by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/types.h>

#include "gpu-server/daemon/seat.h"
#include "gpu-server/daemon/state_dir.h"
#include "protocol/base/fd.h"

namespace farlane::server {

// Thread: the daemon's main thread.
class Adoption {
 public:
  // A worker answers at once, unless it is stopped; then it is heard whenever it goes on.
  static constexpr uint64_t kPatienceNs = 3'000'000'000;

  // One that has told all.
  struct Foundling {
    pid_t worker = 0;
    Fd control;
    Fd process;  // by which it can be ended, whoever has its number then
    Account account;
  };

  Adoption() = default;

  // Knocks at all doors, removes those with nobody behind them, and waits a while for answers.
  void Begin(const StateDir& state_dir);

  // For poll().
  void AppendPolls(std::vector<pollfd>* polls) const;
  // Hears those that had not answered.
  void Look(const StateDir& state_dir);

  // Those that have told all since it was asked last.
  std::vector<Foundling> Take() { return std::exchange(told_, {}); }

  // The devices' memory that they share, if they do.
  Fd TakeShare() { return std::move(share_); }

  // Which start of the machine's server they belong to; none without any.
  const std::optional<std::vector<uint8_t>>& boot() const { return boot_; }

 private:
  struct Silent {
    pid_t worker = 0;
    Fd control;
    Fd process;
  };

  bool Hear(Silent& one, const StateDir& state_dir);

  std::vector<Silent> silent_;
  std::vector<Foundling> told_;
  Fd share_;
  std::optional<std::vector<uint8_t>> boot_;
};

// What one daemon leaves to the next, and how it gets there.
struct Heritage {
  std::optional<StateDir> state_dir;  // none: nothing is left to anybody
  Adoption adoption;

  // An empty path: no state is kept.
  static Result<Heritage> Claim(const std::string& path);
};

}  // namespace farlane::server
