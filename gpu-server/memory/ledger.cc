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

// Adopted memory may stand above a limit, so what is left is never less than nothing.
uint64_t Left(uint64_t limit, uint64_t taken) {
  return limit > taken ? limit - taken : 0;
}

}  // namespace

Ledger::Ledger(std::vector<DeviceQuota> devices)
    : devices_(std::move(devices)), taken_(devices_.size(), 0) {}

Ledger::Session Ledger::Open(std::vector<DeviceQuota> quotas) {
  FARLANE_CHECK(quotas.size() == devices_.size());
  const Session session = next_++;
  accounts_[session] = {.quotas = std::move(quotas),
                        .taken = std::vector<uint64_t>(devices_.size(), 0)};
  return session;
}

void Ledger::Resize(Session session, std::vector<DeviceQuota> quotas) {
  FARLANE_CHECK(quotas.size() == devices_.size());
  accounts_.at(session).quotas = std::move(quotas);
}

void Ledger::Close(Session session) {
  FARLANE_CHECK(accounts_.at(session).holders == 0);
  accounts_.erase(session);
}

Ledger::Holder Ledger::Join(Session session) {
  const Holder holder = next_++;
  ++accounts_.at(session).holders;
  places_[holder] = {.session = session,
                     .held = std::vector<uint64_t>(devices_.size(), 0),
                     .idle = std::vector<uint64_t>(devices_.size(), 0)};
  return holder;
}

void Ledger::Leave(Holder holder) {
  const Place& place = places_.at(holder);
  Account& account = accounts_.at(place.session);
  for (size_t device = 0; device < devices_.size(); ++device) {
    account.taken[device] -= place.held[device];
    taken_[device] -= place.held[device];
  }
  --account.holders;
  places_.erase(holder);
}

bool Ledger::Take(Holder holder, size_t device, uint64_t bytes) {
  Place& place = places_.at(holder);
  Account& account = accounts_.at(place.session);
  // Compared with what is left, so that no sum can overflow.
  if (bytes > Left(account.quotas[device].limit_bytes, account.taken[device]) ||
      bytes > Left(devices_[device].limit_bytes, taken_[device])) {
    return false;
  }
  Adopt(holder, device, bytes);
  return true;
}

void Ledger::Adopt(Holder holder, size_t device, uint64_t bytes) {
  Place& place = places_.at(holder);
  place.held[device] += bytes;
  accounts_.at(place.session).taken[device] += bytes;
  taken_[device] += bytes;
}

bool Ledger::Return(Holder holder, size_t device, uint64_t bytes) {
  Place& place = places_.at(holder);
  if (bytes > place.held[device]) {
    return false;
  }
  place.held[device] -= bytes;
  place.idle[device] = std::min(place.idle[device], place.held[device]);
  accounts_.at(place.session).taken[device] -= bytes;
  taken_[device] -= bytes;
  return true;
}

void Ledger::NoteIdle(Holder holder, size_t device, uint64_t bytes) {
  Place& place = places_.at(holder);
  place.idle[device] = std::min(bytes, place.held[device]);
}

uint64_t Ledger::held_bytes(Holder holder, size_t device) const {
  return places_.at(holder).held[device];
}

uint64_t Ledger::used_bytes(Holder holder, size_t device) const {
  const Place& place = places_.at(holder);
  return Left(place.held[device], place.idle[device]);
}

uint64_t Ledger::session_bytes(Session session, size_t device) const {
  return accounts_.at(session).taken[device];
}

const std::vector<DeviceQuota>& Ledger::quotas(Session session) const {
  return accounts_.at(session).quotas;
}

MemoryFigures Ledger::FiguresFor(Holder holder, size_t device) const {
  const Place& own = places_.at(holder);
  const Account& account = accounts_.at(own.session);
  uint64_t session_taken = account.taken[device];
  uint64_t device_taken = taken_[device];
  for (const auto& [other, place] : places_) {
    if (other == holder) {
      continue;
    }
    device_taken -= place.idle[device];
    session_taken -= place.session == own.session ? place.idle[device] : 0;
  }
  return {.free_bytes = std::min(Left(account.quotas[device].limit_bytes, session_taken),
                                 Left(devices_[device].limit_bytes, device_taken)),
          .total_bytes = account.quotas[device].total_bytes};
}

MemoryFigures Ledger::FiguresFor(const DeviceQuota& quota,
                                 uint64_t used_bytes,
                                 size_t device) const {
  uint64_t device_taken = taken_[device];
  for (const auto& [holder, place] : places_) {
    device_taken = Left(device_taken, place.idle[device]);
  }
  return {.free_bytes = std::min(Left(quota.limit_bytes, used_bytes),
                                 Left(devices_[device].limit_bytes, device_taken)),
          .total_bytes = quota.total_bytes};
}

// Empty when it is not enough.
std::vector<Ledger::Claim> Ledger::Spread(Holder holder,
                                          size_t device,
                                          Shortage missing,
                                          bool idle_only,
                                          const std::set<Holder>& except) const {
  const Session own = places_.at(holder).session;
  std::vector<std::pair<bool, Claim>> candidates;
  for (const auto& [other, place] : places_) {
    const uint64_t bytes = idle_only ? place.idle[device] : place.held[device];
    if (bytes != 0 && !except.contains(other)) {
      candidates.push_back({place.session == own, {.holder = other, .bytes = bytes}});
    }
  }
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first : a.second.bytes > b.second.bytes;
  });
  std::vector<Claim> claims;
  const Shortage at_first = missing;
  for (const auto& [same, claim] : candidates) {
    const Shortage& wanted = idle_only ? missing : at_first;
    const uint64_t most =
        same ? std::max(wanted.session_bytes, wanted.device_bytes) : wanted.device_bytes;
    const uint64_t share = std::min(most, claim.bytes);
    if (share == 0) {
      continue;
    }
    claims.push_back({.holder = claim.holder, .bytes = share});
    missing.device_bytes -= std::min(missing.device_bytes, share);
    missing.session_bytes -= same ? std::min(missing.session_bytes, share) : 0;
  }
  if (missing.session_bytes != 0 || missing.device_bytes != 0) {
    claims.clear();
  }
  return claims;
}

std::vector<Ledger::Claim> Ledger::ClaimsOver(Session session, size_t device) const {
  const Account& account = accounts_.at(session);
  const uint64_t over_bytes = Left(account.taken[device], account.quotas[device].limit_bytes);
  uint64_t idle_bytes = 0;
  for (const auto& [holder, place] : places_) {
    idle_bytes += place.session == session ? place.idle[device] : 0;
  }
  std::vector<Claim> claims;
  for (const auto& [holder, place] : places_) {
    const uint64_t has_bytes = idle_bytes >= over_bytes ? place.idle[device] : place.held[device];
    const uint64_t bytes = std::min(over_bytes, has_bytes);
    if (place.session == session && bytes != 0) {
      claims.push_back({.holder = holder, .bytes = bytes});
    }
  }
  return claims;
}

Ledger::Shortage Ledger::ShortageOf(Holder holder, size_t device, uint64_t bytes) const {
  const Account& account = accounts_.at(places_.at(holder).session);
  const uint64_t session_left = Left(account.quotas[device].limit_bytes, account.taken[device]);
  const uint64_t device_left = Left(devices_[device].limit_bytes, taken_[device]);
  return {.session_bytes = bytes - std::min(bytes, session_left),
          .device_bytes = bytes - std::min(bytes, device_left)};
}

std::vector<Ledger::Claim> Ledger::IdleFor(Holder holder,
                                           size_t device,
                                           uint64_t bytes,
                                           const std::set<Holder>& except) const {
  return Spread(holder, device, ShortageOf(holder, device, bytes), true, except);
}

std::vector<Ledger::Claim> Ledger::ClaimsFor(Holder holder,
                                             size_t device,
                                             uint64_t bytes,
                                             const std::set<Holder>& except) const {
  return Spread(holder, device, ShortageOf(holder, device, bytes), false, except);
}

uint64_t DefaultLimit(uint64_t total_bytes) {
  return total_bytes - std::min(kDriverBytesMax, total_bytes / kDriverShare);
}

std::vector<DeviceQuota> QuotasFor(const std::vector<uint64_t>& totals, uint64_t limit_bytes) {
  std::vector<DeviceQuota> quotas;
  for (const uint64_t total_bytes : totals) {
    const uint64_t usable = DefaultLimit(total_bytes);
    quotas.push_back(limit_bytes == 0
                         ? DeviceQuota{.total_bytes = total_bytes, .limit_bytes = usable}
                         : DeviceQuota{.total_bytes = std::min(limit_bytes, total_bytes),
                                       .limit_bytes = std::min(limit_bytes, usable)});
  }
  return quotas;
}

}  // namespace farlane::server
