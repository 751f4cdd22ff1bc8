// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/daemon/shared_keys.h"

#include <algorithm>
#include <utility>

#include "pool-manager/daemon/key_ring.h"
#include "protocol/base/clock.h"

namespace farlane::pool {
namespace {

constexpr uint64_t kMsNs = 1'000'000;
constexpr auto kFormerMs =
    static_cast<int64_t>((SigningKeys::kTellNs + SigningKeys::kFormerNs) / kMsNs);

}  // namespace

Status SharedKeys::Take(RecordStore& store) {
  FARLANE_ASSIGN(KeyRing ring, TakeKeyRing(store, safe_));
  // Whose clock is wrong believes a key for no longer than it would have by its own.
  const int64_t left_ms = std::clamp<int64_t>(ring.former_until_ms - WallMs(), 0, kFormerMs);
  signing_.Take(std::move(ring.current), std::move(ring.former),
                NowNs() + kMsNs * static_cast<uint64_t>(left_ms));
  return Status::Ok();
}

Status SharedKeys::Rotate(RecordStore& store) {
  if (signing_.IsChanging()) {
    return Status(StatusCode::kExhausted, "a new key is being told to servers already");
  }
  // Into the store first: whoever has the old one must not sign after a restart.
  FARLANE_ASSIGN(token::SigningKey next, RotateKeyRing(store, safe_, WallMs() + kFormerMs));
  return signing_.Rotate(std::move(next), NowNs());
}

}  // namespace farlane::pool
