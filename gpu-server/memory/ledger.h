// SPDX-License-Identifier: Apache-2.0
// Ledger counts device bytes against a limit. Every byte that a client can hold goes through
// Reserve before the driver is asked for it; nothing else compares bytes with a quota.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/base/guarded.h"

namespace farlane::server {

class Ledger;

// Bytes that are counted as taken, until this is destroyed.
// Thread: caller's.
class Reservation {
 public:
  Reservation() = default;

  Reservation(Reservation&& other) noexcept
      : ledger_(std::exchange(other.ledger_, nullptr)),
        device_(other.device_),
        bytes_(std::exchange(other.bytes_, 0)) {}

  Reservation& operator=(Reservation&& other) noexcept {
    Return();
    ledger_ = std::exchange(other.ledger_, nullptr);
    device_ = other.device_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  ~Reservation() { Return(); }

  uint64_t bytes() const { return bytes_; }

  // Takes over what another reservation on the same device holds.
  void Absorb(Reservation other);
  // Gives back all but so many bytes.
  void ShrinkTo(uint64_t bytes);

 private:
  friend class Ledger;

  Reservation(Ledger* ledger, size_t device, uint64_t bytes)
      : ledger_(ledger), device_(device), bytes_(bytes) {}

  void Return();

  Ledger* ledger_ = nullptr;
  size_t device_ = 0;
  uint64_t bytes_ = 0;
};

// What a device has, and how much of it may be taken: the rest is the driver's own.
struct DeviceQuota {
  uint64_t total_bytes = 0;
  uint64_t limit_bytes = 0;
};

// Thread: any, guarded. Lives longer than its reservations.
class Ledger {
 public:
  explicit Ledger(const std::vector<DeviceQuota>& quotas);

  // Nothing when it would pass the limit.
  std::optional<Reservation> Reserve(size_t device, uint64_t bytes);

  uint64_t free_bytes(size_t device) const;
  uint64_t total_bytes(size_t device) const;
  uint64_t limit_bytes(size_t device) const;

 private:
  friend class Reservation;

  struct Account {
    DeviceQuota quota;
    uint64_t used_bytes = 0;
  };

  void Return(size_t device, uint64_t bytes);

  Guarded<std::vector<Account>> accounts_;
};

// The limit that goes with a device of this size when nobody set one.
uint64_t DefaultLimit(uint64_t total_bytes);

}  // namespace farlane::server
