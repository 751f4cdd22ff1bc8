// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/client_register.h"

#include <algorithm>
#include <cstring>

#include "gpu-server/memory/chunk_credit.h"

namespace farlane::server {
namespace {

// Granted before anybody asks: enough for small programs to run without a single request.
constexpr uint64_t kFirstCreditBytes = 64_MiB;
// ... but no more than this part of a small device.
constexpr uint64_t kFirstCreditShare = 4;

}  // namespace

ClientRegister::ClientRegister(const std::vector<uint64_t>& device_bytes,
                               uint64_t limit_bytes,
                               Tell tell,
                               SessionBook::Rules rules)
    : device_bytes_(device_bytes),
      quotas_(QuotasFor(device_bytes, limit_bytes)),
      tell_(std::move(tell)),
      ledger_(QuotasFor(device_bytes, 0)),
      book_(ledger_, quotas_, std::move(rules)),
      desk_(ledger_,
            [this](Ledger::Holder holder, const ControlRecord& record) {
              TellHolder(holder, record, -1);
            }),
      shares_(ledger_, [this](Ledger::Holder holder, const ControlRecord& record, int descriptor) {
        TellHolder(holder, record, descriptor);
      }) {}

void ClientRegister::TellHolder(Ledger::Holder holder,
                                const ControlRecord& record,
                                int descriptor) const {
  const auto found = clients_.find(holder);
  if (found != clients_.end() && found->second.worker != 0) {
    tell_(found->second.worker, record, descriptor);
  }
}

Grant ClientRegister::GrantOfProbe() const {
  return {.quotas = quotas_, .first_bytes = std::vector<uint64_t>(quotas_.size(), 0)};
}

// Others may hold most of the device: a smaller first credit is as good, since more can be asked
// for.
uint64_t ClientRegister::TakeFirst(Ledger::Holder holder, size_t device, uint64_t limit_bytes) {
  uint64_t bytes =
      RoundDown(std::min(kFirstCreditBytes, limit_bytes / kFirstCreditShare), kChunkBytes);
  while (bytes != 0 && !ledger_.Take(holder, device, bytes)) {
    bytes = RoundDown(bytes / 2, kChunkBytes);
  }
  return bytes;
}

Ledger::Holder ClientRegister::Enter(const Newcomer& newcomer, uint64_t now_ns, Grant* grant) {
  const SessionBook::Session& session = book_.Enter(newcomer, now_ns);
  const Ledger::Holder holder = ledger_.Join(session.account);
  clients_[holder] = {.session = session.id,
                      .who = newcomer,
                      .worker = 0,
                      .since_ns = now_ns,
                      .kin = newcomer.alone() ? newcomer.key_digest : Sha256Digest{}};
  grant->isolation = session.slice.isolation;
  grant->awaits_turns = book_.IsBesideScrubbed(session);
  grant->quotas = ledger_.quotas(session.account);
  for (size_t device = 0; device < grant->quotas.size(); ++device) {
    grant->first_bytes.push_back(TakeFirst(holder, device, grant->quotas[device].limit_bytes));
  }
  return holder;
}

void ClientRegister::SeatAt(Ledger::Holder holder, pid_t worker) {
  clients_.at(holder).worker = worker;
  by_worker_[worker] = holder;
}

Seat ClientRegister::SeatOf(Ledger::Holder holder) const {
  const Client& client = clients_.at(holder);
  return Seat::Of(book_.sessions().at(client.session), client.who, client.since_ns);
}

bool ClientRegister::Adopt(pid_t worker, const Account& account, uint64_t now_ns) {
  const Seat& seat = account.seat;
  const Newcomer who = seat.Who();
  std::vector<DeviceQuota> quotas;
  for (size_t i = 0; i < account.holdings.size(); ++i) {
    quotas.push_back(account.holdings[i].quota);
    if (i < device_bytes_.size() && quotas[i].total_bytes > device_bytes_[i]) {
      return false;  // more than the device has
    }
  }
  if (quotas.size() != quotas_.size() || !CheckSlice(who.slice).ok() ||
      by_worker_.contains(worker)) {
    return false;
  }
  const SessionBook::Session* const session =
      book_.Adopt({.id = who.session,
                   .key_digest = who.key_digest,
                   .slice = who.slice,
                   .net_limit = who.net_limit,
                   .opened_ns = std::min(seat.session_since_ns, now_ns),
                   .alone = seat.alone != 0},
                  quotas);
  if (session == nullptr) {
    return false;
  }
  const Ledger::Holder holder = ledger_.Join(session->account);
  clients_[holder] = {.session = session->id,
                      .who = who,
                      .worker = worker,
                      .since_ns = std::min(seat.since_ns, now_ns)};
  if (session->alone) {
    memcpy(clients_[holder].kin.data(), seat.kin_digest, sizeof seat.kin_digest);
  }
  by_worker_[worker] = holder;
  for (size_t device = 0; device < account.holdings.size(); ++device) {
    ledger_.Adopt(holder, device, account.holdings[device].held_bytes);
    ledger_.NoteIdle(holder, device, account.holdings[device].idle_bytes);
  }
  return true;
}

void ClientRegister::Leave(Ledger::Holder holder, uint64_t now_ns) {
  const Client client = clients_.at(holder);
  clients_.erase(holder);
  by_worker_.erase(client.worker);
  shares_.Forget(holder);  // before the ledger forgets what it held
  ledger_.Leave(holder);
  book_.Leave(client.session, now_ns);
  desk_.Forget(holder, now_ns);
}

void ClientRegister::LeaveWithWorker(pid_t worker, uint64_t now_ns) {
  if (const auto found = by_worker_.find(worker); found != by_worker_.end()) {
    Leave(found->second, now_ns);
  }
}

bool ClientRegister::Hear(pid_t worker, const ControlRecord& record, uint64_t now_ns) {
  const auto found = by_worker_.find(worker);
  if (found == by_worker_.end()) {
    return false;
  }
  if (record.kind == ControlRecord::Kind::kTurn) {
    return true;  // whoever hears it looks at the pages anyway
  }
  if (record.kind == ControlRecord::Kind::kBusy) {
    return HearBusy(&clients_.at(found->second), record);
  }
  if (ShareDesk::IsMeant(record.kind)) {
    const SessionId& session = clients_.at(found->second).session;
    return shares_.Hear(found->second, book_.sessions().at(session).account, record);
  }
  return desk_.Hear(found->second, record, now_ns);
}

bool ClientRegister::HearBusy(Client* client, const ControlRecord& record) const {
  constexpr uint64_t kWhole = 100;
  if (record.device >= quotas_.size()) {
    return false;
  }
  client->shares.resize(quotas_.size());
  client->shares[record.device] = {.busy = static_cast<uint32_t>(std::min(record.bytes, kWhole)),
                                   .copies = static_cast<uint32_t>(std::min(record.total, kWhole))};
  return true;
}

void ClientRegister::Look(uint64_t now_ns) {
  desk_.Look(now_ns);
  book_.Look(now_ns, book_.has_claims());
}

std::optional<SessionId> ClientRegister::SessionNamed(const std::string& name) const {
  std::optional<SessionId> meant;
  for (const auto& [id, session] : book_.sessions()) {
    if (name.empty() || !SessionName(id).starts_with(name)) {
      continue;
    }
    if (meant.has_value()) {
      return std::nullopt;
    }
    meant = id;
  }
  return meant;
}

const SessionId& ClientRegister::SessionOf(pid_t worker) const {
  return clients_.at(by_worker_.at(worker)).session;
}

std::optional<std::string> ClientRegister::Resize(const SessionId& id, const SliceRequest& slice) {
  std::optional<std::string> objection = book_.Resize(id, slice);
  if (!objection.has_value()) {
    desk_.Shrink(book_.sessions().at(id).account);
  }
  return objection;
}

std::vector<pid_t> ClientRegister::WorkersOf(const std::string& name) const {
  std::vector<pid_t> workers;
  std::optional<SessionId> meant;
  for (const auto& [holder, client] : clients_) {
    if (name.empty() || !SessionName(client.session).starts_with(name) || client.worker == 0) {
      continue;
    }
    if (meant.has_value() && *meant != client.session) {
      return {};
    }
    meant = client.session;
    workers.push_back(client.worker);
  }
  return workers;
}

}  // namespace farlane::server
