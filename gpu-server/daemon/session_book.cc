// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/session_book.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include <sys/random.h>

#include "protocol/base/bytes.h"
#include "protocol/base/check.h"
#include "protocol/control/hex.h"

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
    : SessionBook(ledger, std::move(quotas), Rules{}) {}

SessionBook::SessionBook(Ledger& ledger, std::vector<DeviceQuota> quotas, Rules rules)
    : ledger_(ledger),
      quotas_(std::move(quotas)),
      usable_bytes_(UsableBytes(ledger)),
      rules_(std::move(rules)) {}

std::string SessionName(const SessionId& id) {
  return control::Hex(id);
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
    if (found->second.over) {
      return Decision{wire::Verdict::kRefused, "the session is over"};
    }
    return std::nullopt;  // it has a slice already, whatever this process asks for
  }
  if (!newcomer.alone() && sessions_.size() >= kSessionsMax) {
    return Decision{wire::Verdict::kBusy, "the server has as many sessions as it takes"};
  }
  if (newcomer.asks) {
    return std::nullopt;
  }
  if (const Status status = CheckSlice(newcomer.slice); !status.ok()) {
    return Decision{wire::Verdict::kBadHello, status.message()};
  }
  const SliceRequest slice = Meant(newcomer.slice);
  if (auto never = WhyNever(slice)) {
    return never;
  }
  return WhyNotNow(slice, nullptr);
}

bool SessionBook::IsMember(const Newcomer& newcomer) const {
  const auto found = newcomer.alone() ? sessions_.end() : sessions_.find(newcomer.session);
  return found != sessions_.end() && found->second.key_digest == newcomer.key_digest;
}

// What is asked for, and what the server asks for of everybody.
SliceRequest SessionBook::Meant(const SliceRequest& slice) const {
  SliceRequest meant = slice;
  meant.isolation = std::max({slice.isolation, rules_.isolation_min, Isolation::kShared});
  return meant;
}

bool SessionBook::IsInstance(size_t device) const {
  return device < rules_.instances.size() && rules_.instances[device];
}

size_t SessionBook::InstancesCount() const {
  return static_cast<size_t>(std::count(rules_.instances.begin(), rules_.instances.end(), true));
}

// Instances are kept for those who ask for one, where there is anything else.
bool SessionBook::SeesInstances(const SliceRequest& slice) const {
  return slice.isolation == Isolation::kMig || InstancesCount() == quotas_.size();
}

size_t SessionBook::GpusOf(const SliceRequest& slice) const {
  if (slice.gpus != 0) {
    return slice.gpus;
  }
  return SeesInstances(slice) ? 1 : quotas_.size() - InstancesCount();
}

void SessionBook::Count(const SliceRequest& slice, Promise* promise) {
  promise->share += slice.priority == Priority::kBestEffort ? 0 : slice.share;
  promise->bytes += slice.memory_bytes;
  ++promise->sessions;
  promise->alone = promise->alone || slice.isolation >= Isolation::kExclusive;
}

std::vector<SessionBook::Promise> SessionBook::Promises(const SessionId* except) const {
  std::vector<Promise> promises(quotas_.size());
  for (const auto& [id, session] : sessions_) {
    for (const size_t device : session.devices) {
      if (except == nullptr || id != *except) {
        Count(session.slice, &promises[device]);
      }
    }
  }
  for (const Taker& claim : claims_) {
    for (const size_t device : claim.devices) {
      Count(claim.slice, &promises[device]);
    }
  }
  return promises;
}

// What would be no better if everybody else left.
std::optional<Decision> SessionBook::WhyNever(const SliceRequest& slice) const {
  const size_t count = quotas_.size();
  const size_t instances = InstancesCount();
  if (slice.isolation > Isolation::kShared && rules_.mps) {
    return Decision{wire::Verdict::kBusy,
                    "isolation " + std::string(IsolationName(slice.isolation)) +
                        " is asked for, and programs of this server share faults (--mps)"};
  }
  if (slice.isolation == Isolation::kMig && instances == 0) {
    return Decision{wire::Verdict::kBusy, "isolation mig is asked for, and 0 of " +
                                              std::to_string(count) + " devices are MIG instances"};
  }
  if (SeesInstances(slice) && GpusOf(slice) > 1) {
    return Decision{wire::Verdict::kBusy, std::to_string(GpusOf(slice)) +
                                              " GPUs are asked for, and a program sees one MIG "
                                              "instance at a time"};
  }
  if (!SeesInstances(slice) && GpusOf(slice) > count - instances) {
    return Decision{wire::Verdict::kBusy,
                    std::to_string(GpusOf(slice)) + " GPUs are asked for, and the server has " +
                        std::to_string(count - instances) + "; it makes no several GPUs of one"};
  }
  if (slice.isolation == Isolation::kScrubbed && !rules_.turns) {
    return Decision{wire::Verdict::kBusy,
                    "isolation scrubbed is asked for, and the server gives no turns (--no-turns)"};
  }
  size_t fits = 0;
  uint64_t most = 0;
  for (size_t device = 0; device < count; ++device) {
    if (IsInstance(device) == SeesInstances(slice)) {
      fits += slice.memory_bytes <= quotas_[device].total_bytes ? 1 : 0;
      most = std::max(most, quotas_[device].total_bytes);
    }
  }
  if (fits < GpusOf(slice)) {
    return Decision{wire::Verdict::kBusy, MebibytesText(slice.memory_bytes) +
                                              " of memory are asked for, and a session may have " +
                                              MebibytesText(most)};
  }
  return std::nullopt;
}

// Empty when nothing speaks against this device.
std::optional<std::string> SessionBook::WhyNotOn(size_t device,
                                                 const Promise& promise,
                                                 const SliceRequest& slice) const {
  const uint64_t usable = usable_bytes_[device];
  const uint64_t left_bytes = usable - std::min(usable, promise.bytes);
  const uint64_t left_share = kWholeShare - std::min<uint64_t>(kWholeShare, promise.share);
  if (slice.memory_bytes > quotas_[device].total_bytes) {
    return "a session may have " + MebibytesText(quotas_[device].total_bytes) + " of memory";
  }
  if (device < sick_.size() && sick_[device].has_value()) {
    return "it is sick (" + *sick_[device] + ")";
  }
  if (promise.alone) {
    return "somebody is to be alone on it";
  }
  if (slice.isolation >= Isolation::kExclusive && promise.sessions != 0) {
    return "isolation " + std::string(IsolationName(slice.isolation)) +
           " is asked for, and it has sessions (" + std::to_string(promise.sessions) + ")";
  }
  if (rules_.slices_max != 0 && promise.sessions >= rules_.slices_max) {
    return "it has as many sessions as it takes (" + std::to_string(promise.sessions) + ")";
  }
  if (slice.priority != Priority::kBestEffort && slice.share > left_share) {
    return "a share of " + ShareText(slice.share) + " is asked for, and " + ShareText(left_share) +
           " is not promised to others";
  }
  // What is asked for beyond what the driver leaves is not given either.
  if (std::min(slice.memory_bytes, usable) > left_bytes) {
    return MebibytesText(slice.memory_bytes) + " of memory are asked for, and " +
           MebibytesText(left_bytes) + " are not promised to others";
  }
  return std::nullopt;
}

// Of the devices that a program can see, the best first.
std::vector<size_t> SessionBook::InOrder(const std::vector<Promise>& promises,
                                         const SliceRequest& slice) const {
  std::vector<size_t> devices;
  for (size_t device = 0; device < promises.size(); ++device) {
    if (IsInstance(device) == SeesInstances(slice)) {
      devices.push_back(device);
    }
  }
  std::sort(devices.begin(), devices.end(), [&](size_t one, size_t other) {
    const auto key = [&](size_t device) {
      const Promise& promise = promises[device];
      return std::tuple(promise.share, promise.bytes, promise.sessions,
                        ledger_.device_bytes(device), device);
    };
    return key(one) < key(other);
  });
  return devices;
}

// `only_free`: of those of which nothing speaks against it; fewer than asked for if there are no
// more.
std::vector<size_t> SessionBook::Choose(const SliceRequest& slice, bool only_free) const {
  const std::vector<Promise> promises = Promises(nullptr);
  std::vector<size_t> chosen;
  for (const size_t device : InOrder(promises, slice)) {
    if (chosen.size() < GpusOf(slice) &&
        (!only_free || !WhyNotOn(device, promises[device], slice).has_value())) {
      chosen.push_back(device);
    }
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

// `who` stays where it is, and others may take its place.
std::optional<Decision> SessionBook::WhyNotNow(const SliceRequest& slice,
                                               const SessionId* who) const {
  const std::vector<Promise> promises = Promises(who);
  std::vector<size_t> devices = InOrder(promises, slice);
  if (who != nullptr) {
    devices = sessions_.at(*who).devices;
  }
  const size_t wanted = who == nullptr ? GpusOf(slice) : devices.size();
  size_t free = 0;
  std::string why;
  for (const size_t device : devices) {
    const std::optional<std::string> objection = WhyNotOn(device, promises[device], slice);
    free += objection.has_value() ? 0 : 1;
    if (objection.has_value() && why.empty()) {
      why = "device " + std::to_string(device) + ": " + *objection;
    }
  }
  if (free >= wanted) {
    return std::nullopt;
  }
  if (wanted > 1 || devices.size() > 1) {
    why = std::to_string(free) + " of " + std::to_string(wanted) + " GPUs are free for it; " + why;
  }
  return Decision{wire::Verdict::kBusy, why, true};
}

void SessionBook::Claim(const Newcomer& newcomer) {
  const SliceRequest slice = Meant(newcomer.slice);
  claims_.push_back({.slice = slice, .devices = Choose(slice, false)});
}

std::vector<size_t> SessionBook::DevicesFor(const Newcomer& newcomer) const {
  const auto found = newcomer.alone() ? sessions_.end() : sessions_.find(newcomer.session);
  return found != sessions_.end() ? found->second.devices : Choose(Meant(newcomer.slice), false);
}

std::vector<size_t> SessionBook::DevicesOnEntry(const Newcomer& newcomer) const {
  const auto found = newcomer.alone() ? sessions_.end() : sessions_.find(newcomer.session);
  return found != sessions_.end() ? found->second.devices : Choose(Meant(newcomer.slice), true);
}

// The smaller of what the server gives and what was asked for; nothing of other devices.
std::vector<DeviceQuota> SessionBook::QuotasOf(const SliceRequest& slice,
                                               const std::vector<size_t>& devices) const {
  std::vector<DeviceQuota> quotas(quotas_.size());
  for (const size_t device : devices) {
    DeviceQuota& quota = quotas[device];
    quota = quotas_[device];
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
    const SliceRequest slice = Meant(newcomer.slice);
    std::vector<size_t> devices = Choose(slice, true);
    const Ledger::Session account = ledger_.Open(QuotasOf(slice, devices));
    found = sessions_
                .emplace(id, Session{.id = id,
                                     .key_digest = newcomer.key_digest,
                                     .account = account,
                                     .slice = slice,
                                     .net_limit = newcomer.net_limit,
                                     .devices = std::move(devices),
                                     .share_now = slice.share,
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

bool SessionBook::IsBesideScrubbed(const Session& session) const {
  return std::any_of(sessions_.begin(), sessions_.end(), [&session](const auto& entry) {
    const Session& other = entry.second;
    return other.slice.isolation == Isolation::kScrubbed &&
           std::any_of(other.devices.begin(), other.devices.end(), [&session](size_t device) {
             return std::binary_search(session.devices.begin(), session.devices.end(), device);
           });
  });
}

std::optional<std::string> SessionBook::Resize(const SessionId& id, const SliceRequest& slice) {
  if (const Status status = CheckSlice(slice); !status.ok()) {
    return status.message();
  }
  if (const std::optional<Decision> objection = WhyNotNow(slice, &id)) {
    return objection->reason;
  }
  Session& session = sessions_.at(id);
  session.slice = slice;
  session.share_now = slice.share;
  std::vector<DeviceQuota> quotas = QuotasOf(slice, session.devices);
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
    found->second.share_now = known.slice.share;
    found->second.devices.clear();
    for (size_t device = 0; device < quotas.size(); ++device) {
      if (quotas[device].total_bytes != 0) {
        found->second.devices.push_back(device);
      }
    }
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
    if (session.alone || session.over) {
      ledger_.Close(session.account);
      sessions_.erase(id);
    }
  }
}

void SessionBook::End(const SessionId& id) {
  Session& session = sessions_.at(id);
  session.over = true;
  if (session.clients == 0) {
    ledger_.Close(session.account);
    sessions_.erase(id);
  }
}

void SessionBook::Look(uint64_t now_ns, bool awaited) {
  const uint64_t empty_ns = awaited ? kEmptyAwaitedNs : kEmptyNs;
  std::erase_if(sessions_, [&](const auto& entry) {
    const Session& session = entry.second;
    const bool over = session.clients == 0 && now_ns - session.empty_since_ns > empty_ns;
    if (over) {
      ledger_.Close(session.account);
    }
    return over;
  });
}

}  // namespace farlane::server
