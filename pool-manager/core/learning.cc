// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/core/learning.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "pool-manager/core/profile_record.h"
#include "pool-manager/placement/server_scan.h"

namespace farlane::pool {
namespace {

constexpr double kNs = 1e-9;
// One who cannot be off by more is far enough known to choose by.
constexpr double kErrorMost = 0.3;
// A burst that shows what the way carries, where that matters.
constexpr uint64_t kBurstBytes = 256 << 10;
constexpr double kMovesMuch = 1e6;  // bytes in a second of GPU work

// Of one client. What is not told any more is not looked for either.
constexpr size_t kWaysMost = 64;

// Beyond these a client has measured something else.
constexpr double kRttLeastS = 1e-6;
constexpr double kRttMostS = 60;
constexpr double kBytesMost = 1e12;

std::string WayOf(const std::string& client, const std::string& server) {
  return client + "\n" + server;
}

bool IsClass(const std::string& word) {
  return word.empty() || word == "train" || word == "infer" || word == "interactive";
}

// How much the way carries matters to it.
bool WantsWidth(const Request& request) {
  return request.bandwidth_min_bytes_per_s > 0 ||
         request.profile.bytes_per_gpu_s.mean >= kMovesMuch;
}

LinkBook::Seen SeenOf(const v1::Measured& measured) {
  const double p50_s = measured.rtt_ms() / 1e3;
  const double p90_s = std::max(p50_s, measured.rtt_p90_ms() / 1e3);
  const double bytes_per_s = measured.bytes_per_s();
  return {.rtt_s = EffectiveRtt({.p50_s = p50_s, .p90_s = p90_s}),
          .bytes_per_s = std::isfinite(bytes_per_s) ? std::clamp(bytes_per_s, 0.0, kBytesMost) : 0,
          .evidence = Evidence::kProbe};
}

template <typename Map>
void KeepFew(Map* map, size_t most) {
  while (map->size() > most) {
    map->erase(map->begin());
  }
}

}  // namespace

// A program is what somebody calls it, else by its name; of one project, as others' may be another.
std::string Learning::ProgramOf(const v1::SessionSpec& spec) {
  const std::string& name = IsClass(spec.profile()) ? spec.program() : spec.profile();
  return name.empty() ? "" : spec.project() + "\n" + name;
}

std::string Learning::ClientOf(const v1::SessionSpec& spec) {
  return spec.host().empty() ? "" : spec.project() + "\n" + spec.host();
}

void Learning::Restore(const std::vector<v1::Profile>& profiles) {
  for (const v1::Profile& record : profiles) {
    if (const auto profile = ProfileOf(record)) {
      profiles_[record.key()] = *profile;
    }
  }
}

void Learning::Inform(const ClusterView& cluster,
                      const v1::SessionSpec& spec,
                      Request* request) const {
  const std::string program = ProgramOf(spec);
  if (const auto found = profiles_.find(program); found != profiles_.end()) {
    request->profile = found->second;
  }
  if (const auto home = homes_.find(ClientOf(spec) + "\n" + program); home != homes_.end()) {
    request->current_server = cluster.Find(home->second);
  }
}

void Learning::Inform(const ClusterView& cluster,
                      const v1::SessionSpec& spec,
                      uint64_t now_ns,
                      NetworkView* network) const {
  const std::string client = ClientOf(spec);
  const auto known = known_.find(client);
  if (known == known_.end()) {
    return;
  }
  for (const std::string& server : known->second) {
    if (const auto index = cluster.Find(server)) {
      network->SetServer(*index,
                         links_.Find(WayOf(client, server), static_cast<double>(now_ns) * kNs));
    }
  }
}

void Learning::NoteWay(const std::string& client,
                       const std::string& server_id,
                       const LinkBook::Seen& seen,
                       uint64_t now_ns) {
  links_.Note(WayOf(client, server_id), seen, static_cast<double>(now_ns) * kNs);
  std::set<std::string>& servers = known_[client];
  if (servers.insert(server_id).second && servers.size() > kWaysMost) {
    servers.erase(servers.begin());
  }
  KeepFew(&known_, kKnownMost);
}

void Learning::NoteMeasured(const v1::SessionSpec& spec,
                            const google::protobuf::RepeatedPtrField<v1::Measured>& measured,
                            uint64_t now_ns) {
  const std::string client = ClientOf(spec);
  if (client.empty()) {
    return;
  }
  int taken = 0;
  for (const v1::Measured& one : measured) {
    const double rtt_s = one.rtt_ms() / 1e3;
    if (++taken <= static_cast<int>(2 * kProbesMost) && rtt_s >= kRttLeastS && rtt_s <= kRttMostS) {
      NoteWay(client, one.server_id(), SeenOf(one), now_ns);
    }
  }
}

void Learning::NoteHome(const v1::SessionSpec& spec, const std::string& server_id) {
  const std::string client = ClientOf(spec);
  if (!client.empty()) {
    homes_[client + "\n" + ProgramOf(spec)] = server_id;
    KeepFew(&homes_, kKnownMost);
  }
}

void Learning::NoteLoad(const v1::Session& session, const v1::SessionLoad& load, uint64_t now_ns) {
  v1::SessionLoad& last = running_[session.id()];
  const std::string client = ClientOf(session.spec());
  const double rtt_s = load.rtt_us() * 1e-6;
  if (!client.empty() && load.trips() > last.trips() && rtt_s >= kRttLeastS && rtt_s <= kRttMostS) {
    NoteWay(client, session.server_id(), {.rtt_s = rtt_s, .evidence = Evidence::kPassive}, now_ns);
  }
  const uint64_t memory = std::max(last.memory_bytes(), load.memory_bytes());
  last = load;
  last.set_memory_bytes(memory);
}

void Learning::NoteEnd(const v1::Session& session, int64_t now_ms) {
  const auto found = running_.find(session.id());
  if (found == running_.end()) {
    return;
  }
  const v1::SessionLoad load = found->second;
  running_.erase(found);
  const std::string program = ProgramOf(session.spec());
  if (program.empty() || session.started_ms() == 0) {
    return;
  }
  const AppClass of = AppClassOf(session.spec().profile());
  AppProfile& profile = profiles_.try_emplace(program, AppProfile::OfClass(of)).first->second;
  const uint32_t sessions = profile.sessions;
  const auto devices = std::max<uint32_t>(session.devices(), 1);
  // Time on the device is measured exactly while several share it; who is alone is only looked at.
  profile.Learn({.wall_s = static_cast<double>(now_ms - session.started_ms()) / 1e3,
                 .busy_gpu_s = static_cast<double>(std::max(load.gpu_ns(), load.busy_ns())) * kNs,
                 .blocking_calls = static_cast<double>(load.trips()),
                 .bytes_moved = static_cast<double>(load.moved_bytes()),
                 .working_set_bytes = static_cast<double>(load.memory_bytes()) / devices,
                 .devices = devices});
  if (profile.sessions != sessions) {
    changed_[program] = RecordOf(program, profile);
  } else if (sessions == 0) {
    profiles_.erase(program);  // it has shown nothing
  }
  KeepFew(&profiles_, kKnownMost);
}

namespace {

v1::Candidate CandidateOf(const ServerView& server,
                          const LinkEstimate& link,
                          const Request& request) {
  v1::Candidate candidate;
  candidate.set_server_id(server.facts.id);
  candidate.set_rtt_ms(link.rtt_s * 1e3);
  candidate.set_bytes_per_s(link.bytes_per_s);
  candidate.set_evidence(EvidenceName(link.evidence));
  candidate.set_burst_bytes(WantsWidth(request) ? kBurstBytes : 0);
  return candidate;
}

// It was measured, of late, and as far as matters.
bool IsSure(const LinkEstimate& link, const Request& request) {
  const bool measured = link.evidence == Evidence::kProbe || link.evidence == Evidence::kPassive;
  const bool wide = !WantsWidth(request) || link.bytes_per_s > 0;
  return measured && wide && ErrorNow(link) <= kErrorMost;
}

}  // namespace

std::vector<v1::Candidate> Learning::PerhapsNearer(const ClusterView& cluster,
                                                   const NetworkView& network,
                                                   const Request& request,
                                                   const PlacementPolicy& policy,
                                                   const PlacementRules* rules) {
  if (request.rtt_max_s <= 0 && request.bandwidth_min_bytes_per_s <= 0) {
    return {};
  }
  Request anywhere = request;
  anywhere.rtt_max_s = 0;
  anywhere.bandwidth_min_bytes_per_s = 0;
  ServerScan scan(cluster, network, anywhere, policy, rules);
  std::vector<ScoredServer> unsure;
  for (uint32_t i = 0; i < cluster.servers().size(); ++i) {
    const ServerView& server = cluster.servers()[i];
    double score = 0;
    if (server.state == ServerState::kReady && !IsSure(network.To(server, i), request) &&
        scan.Look(i, &score) == Reason::kFits) {
      unsure.push_back({.score = score, .server = i});
    }
  }
  const size_t told = std::min(unsure.size(), kProbesMost);
  std::partial_sort(unsure.begin(), unsure.begin() + static_cast<ptrdiff_t>(told), unsure.end(),
                    [](const ScoredServer& a, const ScoredServer& b) {
                      return a.score < b.score || (a.score == b.score && a.server < b.server);
                    });
  std::vector<v1::Candidate> candidates;
  for (size_t i = 0; i < told; ++i) {
    const ServerView& server = cluster.servers()[unsure[i].server];
    candidates.push_back(CandidateOf(server, network.To(server, unsure[i].server), request));
  }
  return candidates;
}

std::vector<v1::Candidate> Learning::Best(const ClusterView& cluster,
                                          const NetworkView& network,
                                          const Request& request,
                                          const Decision& decision) {
  std::vector<v1::Candidate> candidates;
  for (const Candidate& one : decision.candidates) {
    if (candidates.size() == kProbesMost || one.servers.size() != 1) {
      break;
    }
    const uint32_t server = one.servers.front().server;
    const ServerView& view = cluster.servers()[server];
    candidates.push_back(CandidateOf(view, network.To(view, server), request));
  }
  return candidates;
}

std::vector<v1::Candidate> Learning::WorthProbing(const ClusterView& cluster,
                                                  const NetworkView& network,
                                                  const Request& request,
                                                  const Decision& decision) {
  std::vector<v1::Candidate> candidates = Best(cluster, network, request, decision);
  const bool is_open =
      std::any_of(candidates.begin(), candidates.end(), [&](const v1::Candidate& one) {
        const uint32_t server = cluster.Find(one.server_id()).value_or(0);
        return !IsSure(network.To(cluster.servers()[server], server), request);
      });
  // Where there is no choice nobody has to measure anything.
  return is_open && candidates.size() > 1 ? candidates : std::vector<v1::Candidate>();
}

std::vector<v1::Profile> Learning::TakeChanged() {
  std::vector<v1::Profile> profiles;
  for (auto& [key, profile] : changed_) {
    profiles.push_back(std::move(profile));
  }
  changed_.clear();
  return profiles;
}

void Learning::Forget(uint64_t now_ns) {
  links_.Forget(static_cast<double>(now_ns) * kNs);
}

}  // namespace farlane::pool
