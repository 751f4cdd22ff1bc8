// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/tidal_run.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "pool-manager/placement/decide.h"
#include "pool-manager/sim/chance.h"
#include "pool-manager/sim/world.h"
#include "protocol/base/check.h"

namespace farlane::pool::sim {
namespace {

constexpr double kDayS = 86'400;
constexpr double kStepS = 10;
constexpr double kPeakAtS = 14 * 3600;
constexpr double kInferenceS = 1800;  // mean life
constexpr double kInferenceShare = 0.25;
constexpr double kInferenceBusy = 0.22;
constexpr double kTrainingWorkS = 7200;  // mean, of one GPU
constexpr double kTrainingShare = 0.1;   // guaranteed, while it fills what others leave
constexpr double kTrainingSolid = 0.5;   // if it does not fill

struct Session {
  std::string name{};
  bool training = false;
  double asked_s = 0;
  double work_s = 0;   // training: GPU time left
  double ends_s = 0;   // inference
  double idles_s = 0;  // from then on it does nothing
  double life_s = 0;
  bool forgotten = false;
  uint32_t device = 0;
  bool waited = false;  // its wait has been told: it was suspended and comes again
};

class Day {
 public:
  Day(const TidalOptions& options, const PlacementPolicy& policy)
      : options_(options),
        policy_(policy),
        chance_(options.seed),
        cluster_(World({.servers = options.servers,
                        .devices_per_server = options.devices_per_server,
                        .zones = 1,
                        .racks = 1,
                        .seed = options.seed})
                     .MakeCluster()),
        network_(cluster_, PlaceOf(0, 0), DistanceTable()) {}

  TidalResult Play() {
    for (now_s_ = 0; now_s_ < 2 * kDayS; now_s_ += kStepS) {
      Ask();
      Admit();
      Work();
      EndSome();
    }
    return Summary();
  }

 private:
  bool Told() const { return now_s_ >= kDayS; }

  double Gpus() const { return static_cast<double>(cluster_.devices().size()); }

  double Tide() const {
    const double angle = 2 * std::numbers::pi * (now_s_ - kPeakAtS) / kDayS;
    return 1 + options_.inference_swing * std::cos(angle);
  }

  uint32_t Arrivals(double per_s) {
    uint32_t count = 0;
    for (double at = chance_.Exponential(1 / per_s); at < kStepS;
         at += chance_.Exponential(1 / per_s)) {
      ++count;
    }
    return count;
  }

  void Ask() {
    const double inference =
        Gpus() * options_.inference_mean * Tide() / (kInferenceBusy * kInferenceS);
    for (uint32_t i = Arrivals(inference); i > 0; --i) {
      Session session = NewSession(false);
      session.life_s = chance_.Exponential(kInferenceS);
      session.forgotten = chance_.Uniform() < options_.forgotten;
      inference_queue_.push_back(std::move(session));
    }
    for (uint32_t i = Arrivals(Gpus() * options_.training / kTrainingWorkS); i > 0; --i) {
      Session session = NewSession(true);
      session.work_s = chance_.Exponential(kTrainingWorkS);
      training_queue_.push_back(std::move(session));
    }
  }

  Session NewSession(bool training) {
    Session session;
    session.name = "session " + std::to_string(++names_);
    session.training = training;
    session.asked_s = now_s_;
    return session;
  }

  double ShareOf(bool training) const {
    if (!training) {
      return kInferenceShare;
    }
    return options_.training_fills ? kTrainingShare : kTrainingSolid;
  }

  Request RequestOf(const Session& session) const {
    Request request;
    request.id = session.name;
    request.app = session.training ? "train" : "infer";
    request.share = static_cast<uint32_t>(ShareOf(session.training) * kWholeShare);
    request.profile = AppProfile::OfClass(session.training ? AppClass::kTrain : AppClass::kInfer);
    request.profile.busy.mean = session.training ? 1 : kInferenceBusy;
    return request;
  }

  // First those who have somebody waiting for an answer; training makes room for them.
  void Admit() {
    while (!inference_queue_.empty()) {
      if (!Start(inference_queue_.front()) && !(MakeRoom() && Start(inference_queue_.front()))) {
        break;
      }
      inference_queue_.pop_front();
    }
    while (!training_queue_.empty() && Start(training_queue_.front())) {
      training_queue_.pop_front();
    }
  }

  bool Start(Session session) {
    const Request request = RequestOf(session);
    const Decision decision = Decide(cluster_, network_, request, policy_);
    if (!decision.placed) {
      return false;
    }
    FARLANE_CHECK(cluster_.Assume(GrantOf(session.name, request, decision)).ok());
    cluster_.Settle(session.name);
    session.device = decision.chosen().servers.front().devices.front();
    session.ends_s = now_s_ + session.life_s;
    session.idles_s = session.forgotten ? session.ends_s : INFINITY;
    if (Told() && !session.waited) {
      waits_.push_back(now_s_ - session.asked_s);
    }
    session.waited = true;
    running_.emplace(session.name, std::move(session));
    return true;
  }

  // Suspends the training that came last, on a device where that is enough.
  bool MakeRoom() {
    const Session* last = nullptr;
    for (const auto& [name, session] : running_) {
      const bool enough = cluster_.devices()[session.device].promised_share +
                              (kInferenceShare - ShareOf(true)) * kWholeShare <=
                          kWholeShare;
      if (session.training && enough && (last == nullptr || session.asked_s > last->asked_s)) {
        last = &session;
      }
    }
    if (last == nullptr) {
      return false;
    }
    Session session = *last;
    running_.erase(session.name);
    cluster_.Forget(session.name);
    result_.suspended += Told() ? 1 : 0;
    training_queue_.push_front(std::move(session));
    return true;
  }

  bool IsIdle(const Session& session) const { return now_s_ >= session.idles_s; }

  // A step of every device: users first, then training divides what is left.
  void Work() {
    std::vector<double> users(cluster_.devices().size()), trainings(cluster_.devices().size());
    for (const auto& [name, session] : running_) {
      if (session.training) {
        trainings[session.device] += 1;
      } else if (!IsIdle(session)) {
        users[session.device] += kInferenceBusy;
      }
    }
    for (auto& [name, session] : running_) {
      if (session.training) {
        const double left = std::max(0.0, 1 - users[session.device]) / trainings[session.device];
        session.work_s -=
            kStepS * (options_.training_fills ? left : std::min(left, kTrainingSolid));
      }
    }
    for (uint32_t i = 0; i < users.size(); ++i) {
      const double training =
          options_.training_fills ? (trainings[i] > 0 ? 1.0 : 0.0) : trainings[i] * kTrainingSolid;
      const double busy = std::min(1.0, users[i] + training);
      worked_s_ += Told() ? busy * kStepS : 0;
      // What fills what is left is in nobody's way: it shows a little of itself only.
      const double felt =
          options_.training_fills ? std::min(1.0, users[i] + trainings[i] * kTrainingShare) : busy;
      cluster_.SetLoad(i, {.busy = static_cast<float>(felt)});
    }
  }

  void EndSome() {
    for (auto at = running_.begin(); at != running_.end();) {
      const Session& session = at->second;
      const bool ends =
          session.training ? session.work_s <= 0 : !session.forgotten && now_s_ >= session.ends_s;
      const bool reclaimed =
          IsIdle(session) &&
          JudgeIdle(options_.idle, now_s_ - session.idles_s) == IdleVerdict::kReclaim;
      if (reclaimed && Told()) {
        reclaims_.push_back(now_s_ - session.idles_s);
      }
      if (!ends && !reclaimed) {
        ++at;
        continue;
      }
      cluster_.Forget(session.name);
      at = running_.erase(at);
    }
  }

  TidalResult Summary() {
    result_.utilisation = worked_s_ / (Gpus() * kDayS);
    result_.waiting = static_cast<uint32_t>(inference_queue_.size() + training_queue_.size());
    // Who still waits has waited that long at least.
    for (const auto* queue : {&inference_queue_, &training_queue_}) {
      for (const Session& session : *queue) {
        if (!session.waited) {
          waits_.push_back(now_s_ - session.asked_s);
        }
      }
    }
    std::sort(waits_.begin(), waits_.end());
    result_.sessions = static_cast<uint32_t>(waits_.size());
    if (!waits_.empty()) {
      result_.wait_p95_s = waits_[waits_.size() * 95 / 100];
      result_.wait_max_s = waits_.back();
    }
    result_.reclaimed = static_cast<uint32_t>(reclaims_.size());
    for (const double reclaim_s : reclaims_) {
      result_.reclaim_mean_s += reclaim_s / static_cast<double>(reclaims_.size());
      result_.reclaim_max_s = std::max(result_.reclaim_max_s, reclaim_s);
    }
    return result_;
  }

  TidalOptions options_;
  PlacementPolicy policy_;
  Chance chance_;
  ClusterView cluster_;
  NetworkView network_;
  double now_s_ = 0;
  uint64_t names_ = 0;
  std::deque<Session> inference_queue_, training_queue_;
  std::map<std::string, Session> running_;
  double worked_s_ = 0;
  std::vector<double> waits_, reclaims_;
  TidalResult result_;
};

}  // namespace

TidalResult RunTidal(const TidalOptions& options, const PlacementPolicy& policy) {
  return Day(options, policy).Play();
}

}  // namespace farlane::pool::sim
