// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/pool.h"

#include <algorithm>
#include <array>

#include <sys/random.h>

#include "pool-manager/core/request_rules.h"
#include "pool-manager/placement/explain.h"
#include "protocol/base/check.h"
#include "protocol/base/slice.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

std::string FreshId() {
  std::array<uint8_t, 16> id{};
  FARLANE_CHECK(getrandom(id.data(), id.size(), 0) == static_cast<ssize_t>(id.size()));
  return control::Hex(id);
}

// The server has room for it, or will have as soon as those are gone who are over.
constexpr uint32_t kQueueSeconds = 10;

Result<SliceRequest> ToSlice(const v1::SessionSpec& session) {
  const v1::SliceSpec& spec = session.slice();
  SliceRequest slice{};
  slice.gpus = static_cast<uint16_t>(std::clamp(session.gpus(), 1u, kGpusMax));
  slice.queue_seconds = kQueueSeconds;
  slice.memory_bytes = spec.memory_bytes();
  const bool shares_fit = spec.share() >= 0 && spec.share() <= 1 && spec.share_limit() >= 0 &&
                          spec.share_limit() <= 1 && spec.share_max() >= 0 && spec.share_max() <= 1;
  if (!shares_fit) {
    return farlane::Status(StatusCode::kInvalidArgument, "a share is a number from 0 to 1");
  }
  slice.share = static_cast<uint32_t>(spec.share() * kWholeShare);
  slice.share_limit = static_cast<uint32_t>(spec.share_limit() * kWholeShare);
  slice.share_max = static_cast<uint32_t>(spec.share_max() * kWholeShare);
  if (!session.isolation().empty()) {
    FARLANE_ASSIGN(slice.isolation, ParseIsolation(session.isolation()));
  }
  if (!spec.priority().empty()) {
    FARLANE_ASSIGN(slice.priority, ParsePriority(spec.priority()));
  }
  FARLANE_TRY(CheckSlice(slice));
  return slice;
}

constexpr char kBestEffort[] = "best-effort";
constexpr uint32_t kShareOfNone = kWholeShare / 100;
// What a server is found with may be more than it has: any debt fits into this.
constexpr double kDebt = 1e6;

ServerState StateOf(v1::ServerState state) {
  switch (state) {
    case v1::READY:
      return ServerState::kReady;
    case v1::SUSPECT:
      return ServerState::kSuspect;
    case v1::UNREACHABLE:
      return ServerState::kUnreachable;
    default:
      return ServerState::kLost;
  }
}

std::string LabelOf(const v1::Inventory& inventory, const char* key) {
  const auto found = inventory.labels().find(key);
  return found == inventory.labels().end() ? "" : found->second;
}

ServerFacts FactsOf(const v1::Inventory& inventory) {
  ServerFacts facts{.id = inventory.server_id(),
                    .place = {.region = LabelOf(inventory, "region"),
                              .zone = LabelOf(inventory, "zone"),
                              .rack = LabelOf(inventory, "rack"),
                              .host = inventory.name()}};
  for (const auto& [key, value] : inventory.labels()) {
    facts.labels.push_back({.key = key, .value = value});
  }
  return facts;
}

std::vector<NewDevice> DevicesOf(const v1::Inventory& inventory) {
  std::vector<NewDevice> devices;
  for (const v1::Device& device : inventory.devices()) {
    DeviceFacts facts;
    facts.memory_bytes = device.memory_bytes();
    facts.compute_capability =
        static_cast<uint32_t>(10 * device.compute_major() + device.compute_minor());
    facts.cuda_version = static_cast<uint32_t>(inventory.cuda_version());
    facts.offers = kUsualIsolations | SetOf(Isolation::kScrubbed);
    devices.push_back({.id = device.uuid(), .model = device.model(), .facts = facts});
  }
  return devices;
}

// XID errors after which NVIDIA's guide has the device reset or replaced.
bool IsSick(const v1::DeviceLoad& load) {
  switch (load.xid_last()) {
    case 48:  // double-bit ECC error
    case 63:  // a row is remapped, or could not be
    case 64:
    case 74:  // NVLink
    case 79:  // it has fallen off the bus
    case 94:  // ECC errors that were contained, and that were not
    case 95:
      return load.xid_count() != 0;
    default:
      return false;
  }
}

Isolation IsolationOf(const std::string& word) {
  return word == "scrubbed"    ? Isolation::kScrubbed
         : word == "exclusive" ? Isolation::kExclusive
         : word == "mig"       ? Isolation::kMig
                               : Isolation::kShared;
}

Request RequestOf(const v1::Session& session) {
  const v1::SessionSpec& spec = session.spec();
  Request request;
  request.id = session.id();
  request.tenant = spec.project();
  request.app = spec.program();
  request.devices = std::max(spec.gpus(), 1u);
  // Who asks for no share is promised none, and gets some of what is left.
  const auto share = static_cast<uint32_t>(spec.slice().share() * kWholeShare);
  request.share = share != 0 ? share : kShareOfNone;
  request.best_effort = share == 0 || spec.slice().priority() == kBestEffort;
  request.memory_bytes = spec.slice().memory_bytes();
  if (!spec.model().empty()) {
    request.models.push_back("*" + spec.model() + "*");
  }
  for (const auto& [key, value] : spec.selector()) {
    request.selector.push_back({.key = key, .kind = LabelRule::Kind::kIn, .values = {value}});
  }
  request.rtt_max_s = spec.max_rtt_ms() / 1000;
  request.bandwidth_min_bytes_per_s = spec.min_bandwidth_bytes();
  request.isolation = IsolationOf(spec.isolation());
  request.profile = AppProfile::OfClass(AppClassOf(spec.profile()));
  request.group = spec.group();
  if (Result<std::vector<NearRule>> near = NearRulesOf(spec);
      near.ok()) {  // ReadRequest has looked
    request.near = std::move(near).value();
  }
  return request;
}

// Of a session that runs at a server already: which of its devices it has is not known, so it is
// the first ones.
Grant GrantAt(const ClusterView& cluster, uint32_t server, const v1::Session& session) {
  const Request request = RequestOf(session);
  Grant grant{.session = session.id(),
              .tenant = request.tenant,
              .group = request.group,
              .share = request.GuaranteedShare(),
              .memory_bytes = request.memory_bytes,
              .memory_limit_bytes = request.MemoryLimit()};
  const ServerView& view = cluster.servers()[server];
  for (uint32_t i = 0; i < std::min(request.devices, view.devices_count); ++i) {
    grant.devices.push_back(view.device_first + i);
  }
  return grant;
}

std::optional<Objection> ReadRequest(const v1::CreateSessionRequest& request,
                                     token::SessionToken* token) {
  const Result<SliceRequest> slice = ToSlice(request.spec());
  if (!slice.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", slice.error().message()};
  }
  if (const auto near = NearRulesOf(request.spec()); !near.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", near.error().message()};
  }
  token->slice = slice.value();
  if (!control::FromHex(request.key_digest(), token->key_digest)) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "keyDigest must be the SHA-256 of the session's key, 64 hexadecimal digits"};
  }
  return std::nullopt;
}

}  // namespace

bool Pool::IsLive(const v1::Session& session) {
  return session.phase() == v1::RESERVED || session.phase() == v1::ACTIVE ||
         session.phase() == v1::UNKNOWN;
}

void Pool::Restore(std::vector<v1::Session> sessions) {
  for (v1::Session& session : sessions) {
    if (IsLive(session)) {
      session.set_phase(v1::UNKNOWN);
      session.set_reason("its server has not come back yet");
    }
    const std::string id = session.id();
    sessions_[id] = std::move(session);
  }
}

std::string Pool::Attach(const v1::Inventory& inventory, uint64_t attachment, const Now& now) {
  if (std::string why = servers_.Attach(inventory, attachment, now.ns, now.ms); !why.empty()) {
    return why;
  }
  const Result<uint32_t> index = cluster_.SetServer(FactsOf(inventory), DevicesOf(inventory));
  if (!index.ok()) {
    servers_.Detach(inventory.server_id(), attachment, now.ms);
    return index.error().message();
  }
  SetState(inventory.server_id());
  PromiseAgain(inventory.server_id());
  return "";
}

// What its sessions were promised by a manager before this one, or before it had other devices.
void Pool::PromiseAgain(const std::string& server) {
  for (const auto& [id, session] : sessions_) {
    if (session.server_id() != server || !IsLive(session) || cluster_.FindGrant(id) != nullptr) {
      continue;
    }
    if (const auto index = cluster_.Find(server)) {
      // More than there is, perhaps: then it is a debt, and nothing new comes there until it is
      // paid.
      static_cast<void>(cluster_.Assume(GrantAt(cluster_, *index, session), kDebt, kDebt).ok());
    }
  }
}

// Placement knows what is ready and what is not.
void Pool::SetState(const std::string& server) {
  const ServerBook::Entry* const entry = servers_.Find(server);
  const auto index = cluster_.Find(server);
  if (entry == nullptr || !index.has_value()) {
    return;
  }
  cluster_.SetState(*index, StateOf(entry->state));
  cluster_.SetCordoned(*index, entry->cordoned);
}

void Pool::SetLoads(const std::string& server, const v1::Load& load) {
  const auto index = cluster_.Find(server);
  if (!index.has_value()) {
    return;
  }
  const ServerView& view = cluster_.servers()[*index];
  for (int i = 0; i < load.devices_size() && i < static_cast<int>(view.devices_count); ++i) {
    const uint32_t device = view.device_first + static_cast<uint32_t>(i);
    const v1::DeviceLoad& said = load.devices(i);
    cluster_.SetLoad(device, {.busy = static_cast<float>(said.busy_percent()) / 100,
                              .working_set_bytes = said.used_bytes()});
    cluster_.SetDeviceHealth(device, !IsSick(said), false);
  }
  for (const v1::SessionLoad& session : load.sessions()) {
    if (session.gpu_ns() != 0) {
      cluster_.Settle(session.session_id());
    }
  }
}

void Pool::Detach(const std::string& server, uint64_t attachment, const Now& now) {
  servers_.Detach(server, attachment, now.ms);
  SetState(server);
}

void Pool::End(v1::Session* session, v1::Phase phase, const std::string& why, const Now& now) {
  session->set_phase(phase);
  session->set_reason(why);
  session->set_ended_ms(now.ms);
  learning_.NoteEnd(*session, now.ms);
  cluster_.Forget(session->id());
}

std::vector<Order> Pool::Hear(const std::string& server,
                              uint64_t attachment,
                              const v1::Load& load,
                              const Now& now,
                              std::vector<v1::Session>* changed) {
  std::vector<Order> orders;
  if (!servers_.Hear(server, attachment, load, now.ns)) {
    return orders;
  }
  SetState(server);
  SetLoads(server, load);
  std::map<std::string, const v1::SessionLoad*> seen;
  for (const v1::SessionLoad& one : load.sessions()) {
    seen[one.session_id()] = &one;
  }
  for (auto& [id, session] : sessions_) {
    if (session.server_id() != server) {
      continue;
    }
    const auto found = seen.find(id);
    if (found == seen.end()) {
      // What is reserved has time until its token expires; what was there and is not is over.
      if (session.phase() == v1::ACTIVE) {
        End(&session, v1::RELEASED, "its last process has ended", now);
        changed->push_back(session);
      } else if (session.phase() == v1::UNKNOWN) {
        End(&session, v1::EXPIRED, "it had ended when its server came back", now);
        changed->push_back(session);
      }
      continue;
    }
    *session.mutable_load() = *found->second;
    learning_.NoteLoad(session, *found->second, now.ns);
    if (!IsLive(session)) {
      v1::ToServer say;
      say.mutable_end_session()->set_session_id(id);
      say.mutable_end_session()->set_reason(session.reason());
      orders.push_back({.attachment = attachment, .say = std::move(say)});
    } else if (session.phase() != v1::ACTIVE) {
      session.set_phase(v1::ACTIVE);
      session.set_reason("");
      session.set_started_ms(session.started_ms() == 0 ? now.ms : session.started_ms());
      changed->push_back(session);
    }
  }
  return orders;
}

std::optional<Objection> Pool::Cordon(const std::string& name, bool cordoned) {
  ServerBook::Entry* const entry = servers_.Find(name);
  if (entry == nullptr) {
    return Objection{Objection::Kind::kNotFound, "NotFound", "there is no server \"" + name + "\""};
  }
  entry->cordoned = cordoned;
  SetState(entry->inventory.server_id());
  return std::nullopt;
}

std::map<std::string, Pool::Promises> Pool::PromisesByServer() const {
  std::map<std::string, Promises> promises;
  for (const auto& [id, session] : sessions_) {
    if (IsLive(session)) {
      const bool counts = session.spec().slice().priority() != kBestEffort;
      Promises& sum = promises[session.server_id()];
      sum.share += counts ? session.spec().slice().share() : 0;
      sum.memory_bytes += session.spec().slice().memory_bytes();
      ++sum.sessions;
    }
  }
  return promises;
}

std::optional<Objection> Pool::Draft(const v1::CreateSessionRequest& wanted,
                                     uint64_t epoch,
                                     const Now& now,
                                     Grant* grant) {
  if (auto objection = ReadRequest(wanted, &grant->token)) {
    return objection;
  }
  v1::Session& session = grant->session;
  session.set_id(FreshId());
  *session.mutable_spec() = wanted.spec();
  Request request = RequestOf(session);
  if (const farlane::Status status = CheckRequest(request); !status.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", status.message()};
  }
  learning_.NoteMeasured(wanted.spec(), wanted.measured(), now.ns);
  learning_.Inform(cluster_, wanted.spec(), &request);
  for (const v1::Measured& one : wanted.measured()) {
    if (one.rtt_ms() <= 0) {
      request.excluded.push_back(one.server_id());
    }
  }
  const NetworkView network = ViewFrom(wanted.spec(), now);
  const Decision decision = Decide(cluster_, network, request, policy_);
  if (decision.placed && wanted.may_probe()) {
    grant->candidates = learning_.WorthProbing(cluster_, network, request, decision);
    if (!grant->candidates.empty()) {
      Describe(&grant->candidates);
      return std::nullopt;
    }
  }
  NoteDemand(cluster_, network, request);
  if (!decision.placed) {
    return NoRoom(request, network);
  }
  const farlane::Status assumed = cluster_.Assume(GrantOf(session.id(), request, decision));
  const uint32_t index = decision.chosen().servers.front().server;
  const ServerBook::Entry* const server = servers_.Find(cluster_.servers()[index].facts.id);
  if (!assumed.ok() || server == nullptr) {
    return Objection{Objection::Kind::kUnavailable, "Retry", assumed.message()};
  }
  session.set_phase(v1::RESERVED);
  session.set_server(server->inventory.name());
  session.set_server_id(server->inventory.server_id());
  *session.mutable_addresses() = server->inventory.addresses();
  session.set_created_ms(now.ms);
  session.set_key_digest(wanted.key_digest());
  session.set_epoch(epoch);
  session.set_devices(request.devices);
  session.set_forecast(decision.forecast());
  learning_.NoteHome(session.spec(), session.server_id());
  grant->token.epoch = epoch;
  control::FromHex(session.id(), grant->token.session);
  control::FromHex(session.server_id(), grant->token.server);
  grant->token.not_before_s = static_cast<uint64_t>(now.ms / 1000);
  grant->token.expires_s = static_cast<uint64_t>((now.ms + kTokenMs) / 1000);
  sessions_[session.id()] = session;
  return std::nullopt;
}

std::optional<Objection> Pool::Consider(const v1::CreateSessionRequest& wanted,
                                        const Now& now,
                                        v1::Placement* placement) const {
  token::SessionToken unused;
  v1::CreateSessionRequest asked = wanted;
  asked.set_key_digest(std::string(2 * unused.key_digest.size(), '0'));  // nobody opens it
  if (auto objection = ReadRequest(asked, &unused)) {
    return objection;
  }
  v1::Session session;
  *session.mutable_spec() = wanted.spec();
  Request request = RequestOf(session);
  if (const farlane::Status status = CheckRequest(request); !status.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", status.message()};
  }
  learning_.Inform(cluster_, wanted.spec(), &request);
  const NetworkView network = ViewFrom(wanted.spec(), now);
  const Result<RequestRules> rules = RequestRules::Read(wanted.spec(), policy_);
  if (!rules.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", rules.error().message()};
  }
  const Explanation explanation =
      Explain(cluster_, network, request, rules->policy, rules->rules_or_null());
  placement->set_placed(explanation.decision.placed);
  placement->set_refusal(explanation.decision.refusal);
  placement->set_forecast(explanation.decision.forecast());
  std::string text = ExplanationText(cluster_, request, rules->policy, explanation);
  for (const auto& [id, server] : servers_.servers()) {
    // People know servers by their names.
    for (size_t at = text.find(id); at != std::string::npos; at = text.find(id, at)) {
      text.replace(at, id.size(), server.inventory.name());
    }
  }
  placement->set_explanation(text);
  std::vector<v1::Candidate> best =
      Learning::Best(cluster_, network, request, explanation.decision);
  Describe(&best);
  for (v1::Candidate& candidate : best) {
    *placement->add_candidates() = std::move(candidate);
  }
  if (explanation.decision.placed) {
    const uint32_t index = explanation.decision.chosen().servers.front().server;
    const ServerBook::Entry* const server = servers_.Find(cluster_.servers()[index].facts.id);
    placement->set_server(server == nullptr ? "" : server->inventory.name());
  }
  return std::nullopt;
}

void Pool::Abandon(const std::string& id) {
  cluster_.Forget(id);
  sessions_.erase(id);
}

std::optional<Objection> Pool::Release(const std::string& id,
                                       const Now& now,
                                       v1::Session* session,
                                       std::vector<Order>* orders) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    return Objection{Objection::Kind::kNotFound, "NotFound", "there is no session \"" + id + "\""};
  }
  if (IsLive(found->second)) {
    End(&found->second, v1::RELEASED, "released", now);
    const ServerBook::Entry* const server = servers_.Find(found->second.server_id());
    if (server != nullptr && server->attachment != 0) {
      v1::ToServer say;
      say.mutable_end_session()->set_session_id(id);
      say.mutable_end_session()->set_reason("released");
      orders->push_back({.attachment = server->attachment, .say = std::move(say)});
    }
  }
  *session = found->second;
  return std::nullopt;
}

void Pool::Look(const Now& now, std::vector<v1::Session>* changed) {
  const std::vector<std::string> lost = servers_.Look(now.ns, now.ms);
  for (const auto& [id, server] : servers_.servers()) {
    SetState(id);
  }
  for (auto& [id, session] : sessions_) {
    const ServerBook::Entry* const server = servers_.Find(session.server_id());
    if (session.phase() == v1::RESERVED && now.ms > session.created_ms() + 2 * kTokenMs) {
      End(&session, v1::EXPIRED, "nobody came", now);
      changed->push_back(session);
    } else if (session.phase() == v1::ACTIVE && server != nullptr &&
               server->state == v1::UNREACHABLE) {
      session.set_phase(v1::UNKNOWN);
      session.set_reason("its server cannot be reached");
    } else if (IsLive(session) &&
               std::find(lost.begin(), lost.end(), session.server_id()) != lost.end()) {
      End(&session, v1::FAILED, "its server is lost", now);
      changed->push_back(session);
    }
  }
  ForgetOld();
  learning_.Forget(now.ns);
}

void Pool::ForgetOld() {
  std::vector<std::pair<int64_t, std::string>> over;
  for (const auto& [id, session] : sessions_) {
    if (!IsLive(session) && session.phase() != v1::PENDING) {
      over.emplace_back(session.ended_ms(), id);
    }
  }
  if (over.size() <= kOverMax) {
    return;
  }
  std::sort(over.begin(), over.end());
  for (size_t i = 0; i < over.size() - kOverMax; ++i) {
    sessions_.erase(over[i].second);
  }
}

std::vector<v1::Session> Pool::Sessions() const {
  std::vector<v1::Session> sessions;
  for (const auto& [id, session] : sessions_) {
    sessions.push_back(session);
  }
  std::sort(sessions.begin(), sessions.end(), [](const v1::Session& a, const v1::Session& b) {
    return a.created_ms() < b.created_ms();
  });
  return sessions;
}

const v1::Session* Pool::FindSession(const std::string& name) const {
  const auto first = sessions_.lower_bound(name);
  if (name.empty() || first == sessions_.end() || !first->first.starts_with(name)) {
    return nullptr;
  }
  const auto next = std::next(first);
  const bool is_only = next == sessions_.end() || !next->first.starts_with(name);
  return is_only || first->first == name ? &first->second : nullptr;
}

std::vector<v1::Server> Pool::Servers() const {
  std::vector<v1::Server> servers;
  std::map<std::string, Promises> promises = PromisesByServer();
  for (const auto& [id, entry] : servers_.servers()) {
    v1::Server& server = servers.emplace_back();
    const Promises& promised = promises[id];
    *server.mutable_inventory() = entry.inventory;
    *server.mutable_load() = entry.load;
    server.set_state(entry.state);
    server.set_cordoned(entry.cordoned);
    server.set_reason(entry.reason);
    server.set_since_ms(entry.since_ms);
    server.set_sessions(promised.sessions);
    server.set_promised_share(promised.share);
    server.set_promised_bytes(promised.memory_bytes);
  }
  return servers;
}

v1::PoolStatus Pool::Status() const {
  v1::PoolStatus status;
  for (const auto& [id, entry] : servers_.servers()) {
    status.set_servers(status.servers() + 1);
    status.set_servers_ready(status.servers_ready() + (entry.state == v1::READY ? 1 : 0));
    for (const v1::Device& device : entry.inventory.devices()) {
      status.set_devices(status.devices() + 1);
      status.set_memory_bytes(status.memory_bytes() + device.memory_bytes());
    }
  }
  for (const auto& [id, session] : sessions_) {
    status.set_sessions_active(status.sessions_active() + (IsLive(session) ? 1 : 0));
    status.set_sessions_pending(status.sessions_pending() + (session.phase() == v1::PENDING));
  }
  return status;
}

}  // namespace farlane::pool
