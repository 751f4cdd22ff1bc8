// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/session_book.h"

#include <algorithm>
#include <cstring>

#include <sys/random.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"

namespace farlane::server {
namespace {

SessionId RandomId() {
  SessionId id{};
  FARLANE_CHECK(getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return id;
}

std::string MebibytesText(uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

std::vector<uint64_t> UsableBytes(const Ledger& ledger) {
  std::vector<uint64_t> usable;
  for (const DeviceQuota& device : ledger.devices()) {
    usable.push_back(device.limit_bytes);
  }
  return usable;
}

}  // namespace

SessionBook::SessionBook(Ledger& ledger, std::vector<DeviceQuota> quotas)
    : ledger_(ledger), quotas_(std::move(quotas)), usable_bytes_(UsableBytes(ledger)) {}

std::string SessionName(const SessionId& id) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (const uint8_t byte : id) {
    name += kDigits[byte >> 4];
    name += kDigits[byte & 15];
  }
  return name;
}

Newcomer Newcomer::FromHello(const wire::ClientHello& hello) {
  Newcomer newcomer{.process = hello.process,
                    .host = Printable(hello.host, sizeof hello.host),
                    .program = Printable(hello.program, sizeof hello.program),
                    .probe = hello.purpose == wire::Purpose::kProbe,
                    .asks = hello.purpose == wire::Purpose::kStatus,
                    .slice = hello.slice,
                    .net_limit = hello.net_limit};
  memcpy(newcomer.session.data(), hello.session, sizeof hello.session);
  newcomer.key_digest = Sha256(std::as_bytes(std::span(hello.session_key)));
  return newcomer;
}

std::optional<Decision> SessionBook::Objection(const Newcomer& newcomer) const {
  const auto found = newcomer.alone() ? sessions_.end() : sessions_.find(newcomer.session);
  if (found != sessions_.end()) {
    if (found->second.key_digest != newcomer.key_digest) {
      return Decision{wire::Verdict::kRefused, "the key of FARLANE_SESSION is not this session's"};
    }
    return std::nullopt;  // it has a slice already, whatever this process asks for
  }
  if (!newcomer.alone() && sessions_.size() >= kSessionsMax) {
    return Decision{wire::Verdict::kBusy, "the server has as many sessions as it takes"};
  }
  if (newcomer.asks) {
    return std::nullopt;
  }
  return WhyNot(newcomer.slice, nullptr);
}

uint64_t SessionBook::PromisedShare(const SessionId* except) const {
  uint64_t sum = 0;
  for (const auto& [id, session] : sessions_) {
    const bool counts = session.slice.priority != Priority::kBestEffort;
    sum += counts && (except == nullptr || id != *except) ? session.slice.share : 0;
  }
  return sum;
}

uint64_t SessionBook::PromisedBytes(const SessionId* except) const {
  uint64_t sum = 0;
  for (const auto& [id, session] : sessions_) {
    sum += except == nullptr || id != *except ? session.slice.memory_bytes : 0;
  }
  return sum;
}

std::optional<Decision> SessionBook::WhyNot(const SliceRequest& slice, const SessionId* who) const {
  if (const Status status = CheckSlice(slice); !status.ok()) {
    return Decision{wire::Verdict::kBadHello, status.message()};
  }
  const uint64_t promised = PromisedShare(who);
  if (slice.priority != Priority::kBestEffort && slice.share + promised > kWholeShare) {
    return Decision{wire::Verdict::kBusy, "a share of " + ShareText(slice.share) +
                                              " is asked for, and " +
                                              ShareText(kWholeShare - promised) +
                                              " of each GPU is not promised to others"};
  }
  for (const DeviceQuota& quota : quotas_) {
    if (slice.memory_bytes > quota.total_bytes) {
      return Decision{wire::Verdict::kBusy,
                      MebibytesText(slice.memory_bytes) +
                          " of memory are asked for, and a session may have " +
                          MebibytesText(quota.total_bytes)};
    }
  }
  const uint64_t promised_bytes = PromisedBytes(who);
  for (const uint64_t usable_bytes : usable_bytes_) {
    // What is asked for beyond what the driver leaves is not given either.
    const uint64_t wanted_bytes = std::min(slice.memory_bytes, usable_bytes);
    if (wanted_bytes > usable_bytes - std::min(usable_bytes, promised_bytes)) {
      return Decision{wire::Verdict::kBusy,
                      MebibytesText(slice.memory_bytes) + " of memory are asked for, and " +
                          MebibytesText(usable_bytes - std::min(usable_bytes, promised_bytes)) +
                          " of each GPU are not promised to others"};
    }
  }
  return std::nullopt;
}

// The smaller of what the server gives and what was asked for.
std::vector<DeviceQuota> SessionBook::QuotasOf(const SliceRequest& slice) const {
  std::vector<DeviceQuota> quotas = quotas_;
  for (DeviceQuota& quota : quotas) {
    if (slice.memory_bytes != 0) {
      quota.total_bytes = std::min(quota.total_bytes, slice.memory_bytes);
      quota.limit_bytes = std::min(quota.limit_bytes, slice.memory_bytes);
    }
  }
  return quotas;
}

SessionBook::Session& SessionBook::Enter(const Newcomer& newcomer, uint64_t now_ns) {
  const SessionId id = newcomer.alone() ? RandomId() : newcomer.session;
  auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    found = sessions_
                .emplace(id, Session{.id = id,
                                     .key_digest = newcomer.key_digest,
                                     .account = ledger_.Open(QuotasOf(newcomer.slice)),
                                     .slice = newcomer.slice,
                                     .net_limit = newcomer.net_limit,
                                     .opened_ns = now_ns})
                .first;
    // Nobody knows the key to a session that was made for one process.
    found->second.alone = newcomer.alone();
    if (newcomer.alone()) {
      const SessionId noise = RandomId();
      found->second.key_digest = Sha256(std::as_bytes(std::span(noise)));
    }
  }
  ++found->second.clients;
  return found->second;
}

std::optional<std::string> SessionBook::Resize(const SessionId& id, const SliceRequest& slice) {
  if (const std::optional<Decision> objection = WhyNot(slice, &id)) {
    return objection->reason;
  }
  Session& session = sessions_.at(id);
  session.slice = slice;
  std::vector<DeviceQuota> quotas = QuotasOf(slice);
  const std::vector<DeviceQuota>& before = ledger_.quotas(session.account);
  for (size_t i = 0; i < quotas.size(); ++i) {
    // Programs have been told how large their device is, and go on believing it.
    quotas[i].total_bytes = std::max(quotas[i].total_bytes, before[i].total_bytes);
  }
  ledger_.Resize(session.account, std::move(quotas));
  return std::nullopt;
}

SessionBook::Session* SessionBook::Adopt(const Session& known,
                                         const std::vector<DeviceQuota>& quotas) {
  auto found = sessions_.find(known.id);
  if (found == sessions_.end()) {
    found = sessions_.emplace(known.id, known).first;
    found->second.account = ledger_.Open(quotas);
    found->second.clients = 0;
  }
  Session& session = found->second;
  if (session.key_digest != known.key_digest || session.alone != known.alone ||
      (session.alone && session.clients != 0)) {
    return nullptr;
  }
  ++session.clients;
  return &session;
}

void SessionBook::Leave(const SessionId& id, uint64_t now_ns) {
  Session& session = sessions_.at(id);
  if (--session.clients == 0) {
    session.empty_since_ns = now_ns;
    if (session.alone) {
      ledger_.Close(session.account);
      sessions_.erase(id);
    }
  }
}

void SessionBook::Look(uint64_t now_ns) {
  std::erase_if(sessions_, [&](const auto& entry) {
    const Session& session = entry.second;
    const bool over = session.clients == 0 && now_ns - session.empty_since_ns > kEmptyNs;
    if (over) {
      ledger_.Close(session.account);
    }
    return over;
  });
}

}  // namespace farlane::server
