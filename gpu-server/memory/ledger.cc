// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/ledger.h"

#include <algorithm>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"

namespace farlane::server {
namespace {

// A context, its stacks and the code of libraries live outside what programs allocate: a few
// hundred MiB on a large device, and never more than a share of a small one.
constexpr uint64_t kDriverBytesMax = 512_MiB;
constexpr uint64_t kDriverShare = 16;

}  // namespace

void Reservation::Absorb(Reservation other) {
  FARLANE_CHECK(ledger_ == nullptr || (ledger_ == other.ledger_ && device_ == other.device_));
  ledger_ = other.ledger_;
  device_ = other.device_;
  bytes_ += std::exchange(other.bytes_, 0);
}

void Reservation::ShrinkTo(uint64_t bytes) {
  if (bytes < bytes_) {
    ledger_->Return(device_, bytes_ - bytes);
    bytes_ = bytes;
  }
}

void Reservation::Return() {
  if (ledger_ != nullptr && bytes_ != 0) {
    ledger_->Return(device_, std::exchange(bytes_, 0));
  }
}

Ledger::Ledger(const std::vector<DeviceQuota>& quotas) {
  accounts_.With([&quotas](std::vector<Account>& accounts) {
    for (const DeviceQuota& quota : quotas) {
      accounts.push_back({.quota = quota});
    }
  });
}

std::optional<Reservation> Ledger::Reserve(size_t device, uint64_t bytes) {
  return accounts_.With([&](std::vector<Account>& accounts) -> std::optional<Reservation> {
    Account& account = accounts[device];
    // Compared with what is left, so that no sum can overflow.
    if (bytes > account.quota.limit_bytes - account.used_bytes) {
      return std::nullopt;
    }
    account.used_bytes += bytes;
    return Reservation(this, device, bytes);
  });
}

void Ledger::Return(size_t device, uint64_t bytes) {
  accounts_.With([&](std::vector<Account>& accounts) {
    FARLANE_CHECK(bytes <= accounts[device].used_bytes);
    accounts[device].used_bytes -= bytes;
  });
}

uint64_t Ledger::free_bytes(size_t device) const {
  return accounts_.With([device](const std::vector<Account>& accounts) {
    return accounts[device].quota.limit_bytes - accounts[device].used_bytes;
  });
}

uint64_t Ledger::total_bytes(size_t device) const {
  return accounts_.With([device](const std::vector<Account>& accounts) {
    return accounts[device].quota.total_bytes;
  });
}

uint64_t Ledger::limit_bytes(size_t device) const {
  return accounts_.With([device](const std::vector<Account>& accounts) {
    return accounts[device].quota.limit_bytes;
  });
}

uint64_t DefaultLimit(uint64_t total_bytes) {
  return total_bytes - std::min(kDriverBytesMax, total_bytes / kDriverShare);
}

}  // namespace farlane::server
