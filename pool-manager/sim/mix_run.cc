// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/mix_run.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <unordered_map>

#include "pool-manager/placement/link_book.h"
#include "protocol/base/check.h"

namespace farlane::pool::sim {
namespace {

constexpr double kReportAfterS = 10;  // then a session shows in its server's reports
constexpr uint32_t kKnownSessions = 20;
constexpr double kSlowdownLeast = 0.02;    // below, nobody feels it: errors are told against this
constexpr double kSessionRttSpread = 0.1;  // the mean of a whole session, around the way's own

struct Running {
  Job job{};
  std::string name{};
  uint32_t server = 0;
  uint32_t device = 0;
  double rtt_s = 0;        // this session's own
  double contention = 0;   // when it began
  double others_busy = 0;  // when it began
  double forecast = 0;
  bool counted = false;
  bool told = false;  // its load is in the reports
  bool known_app = false;
  bool new_app = false;
};

struct Event {
  double at_s = 0;
  uint32_t running = 0;
  bool ends = false;

  bool operator<(const Event& other) const { return at_s > other.at_s; }
};

struct OnDevice {
  double busy = 0;  // true, of all
  double told = 0;  // of those in the reports
  uint32_t sessions = 0;
};

double Median(std::vector<double> values) {
  if (values.empty()) {
    return 0;
  }
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Run {
 public:
  Run(const World& world, Rule rule, const PlacementPolicy& policy)
      : world_(world),
        cluster_(world.MakeCluster()),
        chooser_(rule, policy, world.options().seed),
        chance_(world.options().seed + 1),
        devices_(cluster_.devices().size()) {
    result_.rule = RuleName(rule);
    // The pool's first look around: one measurement from each zone to each.
    for (uint32_t one = 0; one < world.options().zones; ++one) {
      for (uint32_t other = 0; other < world.options().zones; ++other) {
        links_.Note(Way(one, other),
                    {.rtt_s = Measured(world.ZoneRtt(one, other)),
                     .bytes_per_s = one == other ? 10e9 : 1.2e9,
                     .evidence = Evidence::kProbe},
                    0);
      }
    }
  }

  MixResult Play(const std::vector<Job>& jobs) {
    const double warm_s = jobs.empty() ? 0 : jobs.back().arrival_s / 3;
    for (const Job& job : jobs) {
      HandleUntil(job.arrival_s);
      Arrive(job, job.arrival_s >= warm_s);
    }
    HandleUntil(INFINITY);
    return Summary();
  }

 private:
  static std::string Way(uint32_t from, uint32_t to) {
    return std::to_string(from) + ">" + std::to_string(to);
  }

  double Measured(double truth) { return truth * chance_.Noise(world_.options().rtt_noise); }

  NetworkView ViewOf(const Job& job, double now_s) {
    NetworkView view(cluster_, PlaceOf(job.zone, job.rack), distances_);
    for (uint32_t i = 0; i < cluster_.domains().size(); ++i) {
      const auto zone = static_cast<uint32_t>(std::stoul(cluster_.domains()[i].zone));
      view.SetDomain(i, links_.Find(Way(job.zone, zone), now_s));
    }
    view.SetSameRack(links_.Find("rack", now_s));
    return view;
  }

  AppProfile& ProfileOf(const Job& job) {
    return profiles_.try_emplace(job.app, AppProfile::OfClass(job.said_class)).first->second;
  }

  Request RequestOf(const Job& job) {
    Request request;
    request.id = "job " + std::to_string(++names_);
    request.app = job.app;
    request.share =
        std::max<uint32_t>(static_cast<uint32_t>(std::lround(job.share * kWholeShare)), 1);
    request.memory_bytes = static_cast<uint64_t>(job.memory_gib * 1024 * 1024 * 1024);
    request.profile = ProfileOf(job);
    return request;
  }

  void Arrive(const Job& job, bool counted) {
    const Request request = RequestOf(job);
    const NetworkView network = ViewOf(job, job.arrival_s);
    const auto choice = chooser_.Choose(cluster_, network, request);
    NoteDemand(cluster_, network, request);
    if (counted) {
      occupancy_.push_back(Occupancy());
    }
    if (!choice.has_value()) {
      result_.refused += counted ? 1 : 0;
      return;
    }
    FARLANE_CHECK(cluster_.Assume(GrantOf(request.id, request, choice->decision)).ok());
    Running running;
    running.job = job;
    running.name = request.id;
    running.server = choice->server;
    running.device = choice->decision.chosen().servers.front().devices.front();
    running.rtt_s = world_.TrueRtt(job, running.server) * chance_.Noise(kSessionRttSpread);
    running.forecast = choice->decision.forecast();
    running.counted = counted;
    running.known_app = request.profile.sessions >= kKnownSessions;
    running.new_app = request.profile.sessions == 0;
    OnDevice& device = devices_[running.device];
    running.others_busy = device.busy;
    running.contention = World::TrueContention(job.busy, device.busy, device.sessions);
    device.busy += job.busy;
    ++device.sessions;
    const auto index = static_cast<uint32_t>(runs_.size());
    events_.push({.at_s = job.arrival_s + kReportAfterS, .running = index, .ends = false});
    events_.push({.at_s = job.arrival_s + job.duration_s, .running = index, .ends = true});
    runs_.push_back(std::move(running));
  }

  double Occupancy() const {
    uint64_t promised = 0, capacity = 0;
    for (const DomainView& domain : cluster_.domains()) {
      promised += domain.promised_share;
      capacity += domain.share_capacity;
    }
    return static_cast<double>(promised) / static_cast<double>(std::max<uint64_t>(capacity, 1));
  }

  void HandleUntil(double until_s) {
    while (!events_.empty() && events_.top().at_s <= until_s) {
      const Event event = events_.top();
      events_.pop();
      Running& running = runs_[event.running];
      if (event.ends) {
        End(running, event.at_s);
      } else if (!running.name.empty()) {
        Tell(running);
      }
    }
  }

  void Tell(Running& running) {
    OnDevice& device = devices_[running.device];
    running.told = true;
    device.told += running.job.busy;
    cluster_.Settle(running.name);
    cluster_.SetLoad(running.device, {.busy = static_cast<float>(std::min(device.told, 1.0))});
  }

  void End(Running& running, double now_s) {
    OnDevice& device = devices_[running.device];
    device.busy = std::max(0.0, device.busy - running.job.busy);
    device.told -= running.told ? running.job.busy : 0;
    --device.sessions;
    const double contention_now =
        World::TrueContention(running.job.busy, device.busy, device.sessions);
    const Job& job = running.job;
    const double slowdown = job.calls_per_gpu_s * running.rtt_s +
                            job.bytes_per_gpu_s / world_.TrueBandwidth(job, running.server) +
                            (running.contention + contention_now) / 2;
    cluster_.Forget(running.name);
    cluster_.SetLoad(running.device,
                     {.busy = static_cast<float>(std::clamp(device.told, 0.0, 1.0))});
    Learn(running, (running.contention + contention_now) / 2,
          (running.others_busy + device.busy) / 2, now_s);
    if (running.new_app) {
      new_app_errors_.push_back(ErrorOf(running, slowdown));
    }
    if (running.counted) {
      Count(running, slowdown);
    }
    running.name.clear();
  }

  void Learn(const Running& running, double contention, double others_busy, double now_s) {
    const Job& job = running.job;
    const double busy_s = job.duration_s * job.busy;
    ProfileOf(job).Learn({.wall_s = job.duration_s,
                          .busy_gpu_s = busy_s,
                          .blocking_calls = job.calls_per_gpu_s * busy_s,
                          .bytes_moved = job.bytes_per_gpu_s * busy_s,
                          .contention_s = contention * busy_s,
                          .others_busy = others_busy});
    const std::string way = world_.SameRack(job, running.server)
                                ? "rack"
                                : Way(job.zone, world_.ZoneOf(running.server));
    links_.Note(way, {.rtt_s = Measured(running.rtt_s)}, now_s);
  }

  static double ErrorOf(const Running& running, double slowdown) {
    return std::abs(running.forecast - slowdown) / std::max(slowdown, kSlowdownLeast);
  }

  void Count(const Running& running, double slowdown) {
    slowdowns_.push_back(slowdown);
    const auto kind = static_cast<size_t>(running.job.app_class);
    result_.mean_of_class[kind] += slowdown;
    ++of_class_[kind];
    away_ += world_.ZoneOf(running.server) != running.job.zone ? 1 : 0;
    if (running.known_app) {
      errors_.push_back(ErrorOf(running, slowdown));
    }
  }

  MixResult Summary() {
    MixResult& result = result_;
    result.jobs = static_cast<uint32_t>(slowdowns_.size());
    const double count = std::max<double>(result.jobs, 1);
    for (const double slowdown : slowdowns_) {
      result.mean += slowdown / count;
    }
    std::sort(slowdowns_.begin(), slowdowns_.end());
    result.p95 = slowdowns_.empty() ? 0 : slowdowns_[slowdowns_.size() * 95 / 100];
    for (size_t i = 0; i < of_class_.size(); ++i) {
      result.mean_of_class[i] /= std::max<double>(of_class_[i], 1);
    }
    result.away = away_ / count;
    for (const double part : occupancy_) {
      result.occupancy += part / static_cast<double>(occupancy_.size());
    }
    result.forecasts = static_cast<uint32_t>(errors_.size());
    result.forecast_error = Median(errors_);
    result.new_app_error = Median(new_app_errors_);
    return result;
  }

  const World& world_;
  ClusterView cluster_;
  Chooser chooser_;
  Chance chance_;
  DistanceTable distances_;
  LinkBook links_;
  std::unordered_map<std::string, AppProfile> profiles_;
  std::vector<OnDevice> devices_;
  std::vector<Running> runs_;
  std::priority_queue<Event> events_;
  uint64_t names_ = 0;
  MixResult result_;
  std::vector<double> slowdowns_, errors_, new_app_errors_, occupancy_;
  std::array<uint32_t, 3> of_class_{};
  double away_ = 0;
};

}  // namespace

MixResult RunMix(const World& world,
                 const std::vector<Job>& jobs,
                 Rule rule,
                 const PlacementPolicy& policy) {
  return Run(world, rule, policy).Play(jobs);
}

}  // namespace farlane::pool::sim
