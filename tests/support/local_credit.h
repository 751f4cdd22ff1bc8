// SPDX-License-Identifier: Apache-2.0
// A ledger in the test's own process, with one session and one holder, in place of a daemon.
#pragma once

#include <vector>

#include "gpu-server/memory/chunk_credit.h"
#include "gpu-server/memory/credit_source.h"
#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any, guarded.
class LocalCredit final : public CreditSource {
 public:
  explicit LocalCredit(const std::vector<DeviceQuota>& quotas)
      : quotas_(quotas), ledger_(std::in_place, quotas) {
    ledger_.With([this](Ledger& ledger) { holder_ = ledger.Join(ledger.Open(quotas_)); });
  }

  void Ask(size_t device, uint64_t bytes, Purpose, Granted granted) override {
    const bool taken =
        ledger_.With([&](Ledger& ledger) { return ledger.Take(holder_, device, bytes); });
    granted(taken ? Reservation(this, device, bytes) : Reservation());
  }

  void AskFigures(size_t device, Told told) override {
    told(ledger_.With([&](Ledger& ledger) { return ledger.FiguresFor(holder_, device); }));
  }

  void NoteIdle(size_t device, uint64_t bytes) override {
    ledger_.With([&](Ledger& ledger) { ledger.NoteIdle(holder_, device, bytes); });
  }

  void FinishRecall(uint64_t recall, uint64_t, uint32_t) override {
    finished_recalls.push_back(recall);
  }

  // A quarter of each device, as the daemon grants it to begin with.
  std::vector<Reservation> TakeFirst() {
    std::vector<Reservation> first;
    for (size_t device = 0; device < quotas_.size(); ++device) {
      const uint64_t bytes =
          RoundDown(std::min<uint64_t>(64_MiB, quotas_[device].limit_bytes / 4), kChunkBytes);
      Ask(device, bytes, Purpose::kCredit,
          [&first](Reservation granted) { first.push_back(std::move(granted)); });
    }
    return first;
  }

  uint64_t free_bytes(size_t device) {
    return ledger_.With(
        [&](Ledger& ledger) { return ledger.FiguresFor(holder_, device).free_bytes; });
  }

  const std::vector<DeviceQuota>& quotas() const { return quotas_; }

  std::vector<uint64_t> finished_recalls;

 private:
  void Return(size_t device, uint64_t bytes) override {
    ledger_.With([&](Ledger& ledger) { ledger.Return(holder_, device, bytes); });
  }

  const std::vector<DeviceQuota> quotas_;
  Guarded<Ledger> ledger_;
  Ledger::Holder holder_ = 0;
};

}  // namespace farlane::server
