// SPDX-License-Identifier: Apache-2.0
// The part of Pool that gives sessions their servers: a request is read, placed, and promised what
// it asks for, or it is said why it is not.
#include <algorithm>

#include "pool-manager/core/pool.h"
#include "pool-manager/core/request_key.h"
#include "pool-manager/core/session_parts.h"
#include "pool-manager/core/session_request.h"
#include "pool-manager/placement/explain.h"
#include "pool-manager/placement/never.h"
#include "protocol/base/net_rate.h"
#include "protocol/base/part_key.h"
#include "protocol/base/slice.h"
#include "protocol/control/hex.h"

namespace farlane::pool {
namespace {

// Servers that are told why they do not do.
constexpr size_t kExplainMax = 20;

constexpr uint64_t kNetLimitMost = 1ull << 40;

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

// Of a request that may be over several servers, which are each shown a key of their own. A
// sentence: it does not name these keys.
std::optional<std::string> WhyNoPartKeys(const v1::CreateSessionRequest& request) {
  const uint32_t gpus = request.spec().gpus();
  if (!request.spec().across_servers() || gpus <= 1) {
    return std::nullopt;
  }
  const uint32_t wanted = std::min(gpus, kPartsMost);
  const auto& digests = request.part_key_digests();
  Sha256Digest digest{};
  const bool are_digests = std::all_of(digests.begin(), digests.end(), [&](const auto& text) {
    return control::FromHex(text, digest);
  });
  if (are_digests && request.part_key_digests_size() == static_cast<int>(wanted)) {
    return std::nullopt;
  }
  return "a session of " + std::to_string(gpus) +
         " GPUs across servers needs partKeyDigests: " + std::to_string(wanted) +
         " digests of 64 hexadecimal digits";
}

std::optional<Objection> ReadRequest(const v1::CreateSessionRequest& request,
                                     token::SessionToken* token) {
  const Result<SliceRequest> slice = ToSlice(request.spec());
  if (!slice.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", slice.error().message()};
  }
  if (const uint64_t net = request.spec().slice().net_limit_bytes();
      net != 0 && (net < NetRateBytes(kNetRateLeast) || net > kNetLimitMost)) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "netLimitBytes is at least " + std::to_string(NetRateBytes(kNetRateLeast)) +
                         " bytes a second, and no more than any network carries"};
  }
  if (const auto near = NearRulesOf(request.spec()); !near.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", near.error().message()};
  }
  token->slice = slice.value();
  if (!control::FromHex(request.key_digest(), token->key_digest)) {
    return Objection{Objection::Kind::kInvalid, "Invalid",
                     "keyDigest must be the SHA-256 of the session's key, 64 hexadecimal digits"};
  }
  if (const auto why = WhyNoPartKeys(request)) {
    return Objection{Objection::Kind::kInvalid, "Invalid", *why};
  }
  return std::nullopt;
}

// What was asked for, as far as tokens go by it.
v1::CreateSessionRequest RequestFor(const v1::Session& session) {
  v1::CreateSessionRequest request;
  *request.mutable_spec() = session.spec();
  request.set_key_digest(session.key_digest());
  *request.mutable_part_key_digests() = session.part_key_digests();
  return request;
}

}  // namespace

Objection Pool::NoRoom(const Request& request, const NetworkView& network) const {
  const Explanation explanation =
      Explain(cluster_, network, request, placement_.policy, placement_.rules.get());
  Objection objection{Objection::Kind::kNoCapacity, "NoServer", explanation.decision.refusal};
  for (const ServerVerdict& verdict : explanation.servers) {
    if (objection.explain.size() == kExplainMax) {
      break;
    }
    const ServerBook::Entry* const server =
        servers_.Find(cluster_.servers()[verdict.server].facts.id);
    objection.explain.push_back((server == nullptr ? "?" : server->inventory.name()) + ": " +
                                ReasonText(verdict.reason));
  }
  return objection;
}

// How far the one who asks is from each server, as far as anybody knows.
NetworkView Pool::ViewFrom(const v1::SessionSpec& spec, const Now& now) const {
  NetworkView network(cluster_,
                      {.region = spec.place().region(),
                       .zone = spec.place().zone(),
                       .rack = spec.place().rack(),
                       .host = spec.host()},
                      distances_);
  learning_.Inform(cluster_, spec, now.ns, &network);
  return network;
}

// As people and programs know servers.
void Pool::Describe(std::vector<v1::Candidate>* candidates) const {
  for (v1::Candidate& candidate : *candidates) {
    if (const ServerBook::Entry* const server = servers_.Find(candidate.server_id())) {
      candidate.set_server(server->inventory.name());
      *candidate.mutable_addresses() = server->inventory.addresses();
    }
  }
}

bool Pool::CanTake(const v1::CreateSessionRequest& wanted,
                   const std::vector<Freed>& freed,
                   const Now& now) const {
  if (!wanted.spec().near().empty() || wanted.spec().across_servers()) {
    // Whom it must be away from may have left a whole zone to it; or this is the last that it
    // lacks.
    return true;
  }
  v1::Session asked;
  *asked.mutable_spec() = wanted.spec();
  const Request request = RequestOf(asked);
  const NetworkView network = ViewFrom(wanted.spec(), now);
  const RequestFilter filter(cluster_, network, request, placement_.policy, placement_.rules.get());
  return std::any_of(freed.begin(), freed.end(), [&](const Freed& one) {
    const ServerView& server = cluster_.servers()[one.server];
    uint32_t fitting = 0;
    for (uint32_t i = 0; i < server.devices_count; ++i) {
      fitting += filter.DeviceReason(one.server, server.device_first + i) == Reason::kFits ? 1 : 0;
    }
    return fitting >= request.devices && filter.NetworkReason(one.server) == Reason::kFits &&
           filter.ServerReason(one.server) == Reason::kFits;
  });
}

std::optional<std::string> Pool::WhyNever(const v1::CreateSessionRequest& wanted) const {
  v1::Session asked;
  *asked.mutable_spec() = wanted.spec();
  return farlane::pool::WhyNever(cluster_, RequestOf(asked), placement_.policy);
}

std::optional<Objection> Pool::Draft(const v1::CreateSessionRequest& wanted,
                                     uint64_t epoch,
                                     const Now& now,
                                     Grant* grant,
                                     const std::string& id,
                                     const std::vector<std::string>& kept_out) {
  if (auto objection = ReadRequest(wanted, &grant->token)) {
    return objection;
  }
  v1::Session& session = grant->session;
  session.set_id(id.empty() ? FreshId() : id);
  *session.mutable_spec() = wanted.spec();
  if (auto objection = CheckQuota(wanted.spec())) {
    return objection;
  }
  Request request = RequestOf(session);
  request.excluded = kept_out;
  if (const farlane::Status status = CheckRequest(request); !status.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", status.message()};
  }
  NoteMeasured(wanted, now);
  learning_.Inform(cluster_, wanted.spec(), &request);
  for (const v1::Measured& one : wanted.measured()) {
    if (one.rtt_ms() <= 0) {
      request.excluded.push_back(one.server_id());
    }
  }
  const NetworkView network = ViewFrom(wanted.spec(), now);
  const Decision decision =
      Decide(cluster_, network, request, placement_.policy, placement_.rules.get());
  if (wanted.may_probe()) {
    grant->candidates = decision.placed
                            ? Learning::WorthProbing(cluster_, network, request, decision)
                            : Learning::PerhapsNearer(cluster_, network, request, placement_.policy,
                                                      placement_.rules.get());
    if (!grant->candidates.empty()) {
      Describe(&grant->candidates);
      return std::nullopt;
    }
  }
  NoteDemand(cluster_, network, request);
  if (!decision.placed) {
    // Who waits is looked at often, and is told of each server only when he asks why.
    return id.empty() ? NoRoom(request, network)
                      : Objection{Objection::Kind::kNoCapacity, "NoServer", decision.refusal};
  }
  if (!SetServers(decision, &session)) {
    return Objection{Objection::Kind::kUnavailable, "Retry", "a server has just gone"};
  }
  const farlane::Status assumed = cluster_.Assume(GrantOf(session.id(), request, decision));
  if (!assumed.ok()) {
    return Objection{Objection::Kind::kUnavailable, "Retry", assumed.message()};
  }
  session.set_created_ms(now.ms);
  NoteRequest(wanted, &session);
  session.set_epoch(epoch);
  session.set_devices(request.devices);
  uint32_t project = 0;
  if (!FindProject(wanted.spec(), &project).has_value()) {
    session.set_net_limit_bytes(NetLimitOf(wanted.spec(), project));
  }
  learning_.NoteHome(session.spec(), session.server_id());
  sessions_[session.id()] = session;
  NoteLive(session);
  Charge(session);
  grant->token.epoch = epoch;
  SetTokens(grant->token, now, grant);
  return std::nullopt;
}

// Where it was decided that it goes; false: one of these servers is not known any more.
bool Pool::SetServers(const Decision& decision, v1::Session* session) const {
  const std::vector<ChosenServer>& chosen = decision.chosen().servers;
  for (const ChosenServer& one : chosen) {
    const ServerBook::Entry* const server = servers_.Find(cluster_.servers()[one.server].facts.id);
    if (server == nullptr) {
      return false;
    }
    const v1::Inventory& inventory = server->inventory;
    if (&one == &chosen.front()) {
      session->set_server(inventory.name());
      session->set_server_id(inventory.server_id());
      *session->mutable_addresses() = inventory.addresses();
    }
    if (chosen.size() == 1) {
      continue;
    }
    v1::SessionPart& part = *session->add_parts();
    part.set_server(inventory.name());
    part.set_server_id(inventory.server_id());
    *part.mutable_addresses() = inventory.addresses();
    part.set_devices(static_cast<uint32_t>(one.devices.size()));
    part.set_phase(v1::RESERVED);
  }
  session->set_phase(v1::RESERVED);
  session->set_forecast(decision.forecast());
  return true;
}

// `common`: what was asked for, as it was read. Each server's token says what the session has
// there, and opens nothing anywhere else.
void Pool::SetTokens(const token::SessionToken& common, const Now& now, Grant* grant) {
  const v1::Session& session = grant->session;
  token::SessionToken token = common;
  control::FromHex(session.id(), token.session);
  control::FromHex(session.server_id(), token.server);
  token.not_before_s = static_cast<uint64_t>(now.ms / 1000);
  token.expires_s = static_cast<uint64_t>((now.ms + kTokenMs) / 1000);
  // Each of several servers keeps to an equal part, by itself.
  const auto parts = static_cast<uint64_t>(std::max(session.parts_size(), 1));
  token.net_limit = NetRateOf(session.net_limit_bytes() / parts);
  grant->token = token;
  grant->more_tokens.clear();
  for (int i = 0; i < session.parts_size() && i < session.part_key_digests_size(); ++i) {
    control::FromHex(session.parts(i).server_id(), token.server);
    control::FromHex(session.part_key_digests(i), token.key_digest);
    token.slice.gpus = static_cast<uint16_t>(session.parts(i).devices());
    (i == 0 ? grant->token : grant->more_tokens.emplace_back()) = token;
  }
}

Pool::Grant Pool::GrantAgain(const v1::Session& session, uint64_t epoch, const Now& now) {
  Grant grant{.session = session, .token = {}};
  token::SessionToken common;
  static_cast<void>(ReadRequest(RequestFor(session), &common));  // it was read before
  common.epoch = epoch;  // servers take no token of a manager that leads no more
  SetTokens(common, now, &grant);
  return grant;
}

std::optional<Objection> Pool::Consider(const v1::CreateSessionRequest& wanted,
                                        const Now& now,
                                        v1::Placement* placement) {
  token::SessionToken unused;
  v1::CreateSessionRequest asked = wanted;
  asked.set_key_digest(std::string(2 * unused.key_digest.size(), '0'));  // nobody opens it
  asked.clear_part_key_digests();
  for (uint32_t i = 0; i < std::min(wanted.spec().gpus(), kPartsMost); ++i) {
    asked.add_part_key_digests(asked.key_digest());
  }
  if (auto objection = ReadRequest(asked, &unused)) {
    return objection;
  }
  const std::optional<Objection> quota = CheckQuota(wanted.spec());
  if (quota.has_value() && quota->kind != Objection::Kind::kNoCapacity) {
    return quota;
  }
  v1::Session session;
  *session.mutable_spec() = wanted.spec();
  Request request = RequestOf(session);
  if (const farlane::Status status = CheckRequest(request); !status.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", status.message()};
  }
  learning_.Inform(cluster_, wanted.spec(), &request);
  const NetworkView network = ViewFrom(wanted.spec(), now);
  const Result<PlacementSetup> setup = placement_.With({.policy = wanted.spec().policy(),
                                                        .filter = wanted.spec().filter(),
                                                        .score = wanted.spec().score()});
  if (!setup.ok()) {
    return Objection{Objection::Kind::kInvalid, "Invalid", setup.error().message()};
  }
  const Explanation explanation =
      Explain(cluster_, network, request, setup.value().policy, setup.value().rules.get());
  placement->set_placed(explanation.decision.placed);
  placement->set_refusal(explanation.decision.refusal);
  placement->set_forecast(explanation.decision.forecast());
  std::string text = ExplanationText(cluster_, request, setup.value().policy, explanation);
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
    static_cast<void>(SetServers(explanation.decision, &session));
    placement->set_server(session.server());
    for (const v1::SessionPart& part : session.parts()) {
      placement->add_servers(part.server());
    }
  }
  if (quota.has_value()) {  // there may be room, but not for this project now
    placement->set_placed(false);
    placement->set_refusal(quota->detail);
    placement->set_explanation(quota->detail + "\n" + text);
  }
  return std::nullopt;
}

}  // namespace farlane::pool
