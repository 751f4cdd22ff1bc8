// SPDX-License-Identifier: Apache-2.0
// Ledger is the daemon's only count of device bytes: how much each device has, how much of it each
// session may take, and how much each worker of a session holds. Nothing else compares bytes with a
// limit, and what a worker held is free again the moment it leaves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace farlane::server {

// What somebody is told that a device has, and how much of it may be taken: the rest is the
// driver's own.
struct DeviceQuota {
  uint64_t total_bytes = 0;
  uint64_t limit_bytes = 0;

  bool operator==(const DeviceQuota&) const = default;
};

// The answer to "how much is left?": for the asker, what it holds itself counts as taken; what
// others hold and could give back does not.
struct MemoryFigures {
  uint64_t free_bytes = 0;
  uint64_t total_bytes = 0;
};

// Thread: one at a time (the daemon's main thread).
class Ledger {
 public:
  // Numbers of their own, never used twice.
  using Session = uint64_t;
  using Holder = uint64_t;

  // What each device has for all sessions together.
  explicit Ledger(std::vector<DeviceQuota> devices);

  size_t devices_count() const { return devices_.size(); }

  const std::vector<DeviceQuota>& devices() const { return devices_; }

  // A session and what it may take of each device; one quota per device.
  Session Open(std::vector<DeviceQuota> quotas);
  // Other quotas for a session. What it holds beyond them stays its own, and it gets no more.
  void Resize(Session session, std::vector<DeviceQuota> quotas);
  // Its holders must have left.
  void Close(Session session);
  // Somebody who takes memory on a session's account.
  Holder Join(Session session);
  // Returns all that it holds.
  void Leave(Holder holder);

  // False, and nothing has changed, when it would pass the session's limit or the device's.
  bool Take(Holder holder, size_t device, uint64_t bytes);
  // False, and nothing has changed, when the holder does not have so many.
  bool Return(Holder holder, size_t device, uint64_t bytes);
  // How much of what it holds is not in use and could be asked back.
  void NoteIdle(Holder holder, size_t device, uint64_t bytes);

  // Counts what another daemon, now gone, has granted: even beyond the limits, since it is in use.
  void Adopt(Holder holder, size_t device, uint64_t bytes);

  uint64_t held_bytes(Holder holder, size_t device) const;
  uint64_t session_bytes(Session session, size_t device) const;

  uint64_t device_bytes(size_t device) const { return taken_[device]; }

  // Of what it holds, what backs something.
  uint64_t used_bytes(Holder holder, size_t device) const;

  const std::vector<DeviceQuota>& quotas(Session session) const;
  MemoryFigures FiguresFor(Holder holder, size_t device) const;
  // The same for somebody who holds nothing, with this quota, of which so much is in use.
  MemoryFigures FiguresFor(const DeviceQuota& quota, uint64_t used_bytes, size_t device) const;

  struct Claim {
    Holder holder = 0;
    uint64_t bytes = 0;
  };

  // Who of a session could give back what it has beyond its limit: those who hold what they do not
  // use, as far as is known, else all of them. Empty when it has no more than it may.
  std::vector<Claim> ClaimsOver(Session session, size_t device) const;

  // From whom so many bytes could come back that Take would succeed: those who hold what they do
  // not use, as far as is known. Empty when that is not enough. Only the same session's help
  // against its limit, so they come first. Nobody in `except` is asked; the holder itself is,
  // unless it is in there.
  std::vector<Claim> IdleFor(Holder holder,
                             size_t device,
                             uint64_t bytes,
                             const std::set<Holder>& except) const;

  // The same of everybody whose memory would help, each for all that is missing, since only they
  // know what they could do without. Empty when even all that they hold is not enough.
  std::vector<Claim> ClaimsFor(Holder holder,
                               size_t device,
                               uint64_t bytes,
                               const std::set<Holder>& except) const;

 private:
  struct Account {
    std::vector<DeviceQuota> quotas;
    std::vector<uint64_t> taken;  // by device
    size_t holders = 0;
  };

  struct Place {
    Session session = 0;
    std::vector<uint64_t> held;  // by device
    std::vector<uint64_t> idle;
  };

  struct Shortage {
    uint64_t session_bytes = 0;
    uint64_t device_bytes = 0;
  };

  Shortage ShortageOf(Holder holder, size_t device, uint64_t bytes) const;
  std::vector<Claim> Spread(Holder holder,
                            size_t device,
                            Shortage missing,
                            bool idle_only,
                            const std::set<Holder>& except) const;

  const std::vector<DeviceQuota> devices_;
  std::vector<uint64_t> taken_;  // by device
  std::map<Session, Account> accounts_;
  std::map<Holder, Place> places_;
  uint64_t next_ = 1;
};

// The limit that goes with a device of this size when nobody set one.
uint64_t DefaultLimit(uint64_t total_bytes);

// The quotas of devices of these sizes: `limit_bytes` 0 means all but what a driver needs for
// itself.
std::vector<DeviceQuota> QuotasFor(const std::vector<uint64_t>& totals, uint64_t limit_bytes);

}  // namespace farlane::server
