// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/policy_check/policy_trial.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "gpu-server/arbiter/policy_answer.h"
#include "protocol/base/clock.h"

namespace farlane::server {
namespace {

constexpr uint64_t kUs = 1'000;
constexpr uint64_t kMs = 1'000'000;

// One session ends and the next one begins.
constexpr uint64_t kChangeNs = 50 * kUs;
// Where nobody may run, so long until somebody looks again.
constexpr uint64_t kIdleNs = 500 * kUs;
// One of so many decisions is also asked for apart, twice, and timed.
constexpr uint64_t kExamineParts = 8;

constexpr uint64_t kCommandsNs[] = {20 * kUs, 200 * kUs, kMs, 5 * kMs};
constexpr Priority kPriorities[] = {Priority::kBestEffort, Priority::kStandard, Priority::kStandard,
                                    Priority::kGuaranteed};

uint64_t PartOf(std::vector<uint64_t>* all, size_t percent) {
  if (all->empty()) {
    return 0;
  }
  const size_t place = std::min(all->size() * percent / 100, all->size() - 1);
  std::nth_element(all->begin(), all->begin() + static_cast<ptrdiff_t>(place), all->end());
  return (*all)[place];
}

}  // namespace

PolicyTrial::PolicyTrial(const PolicySeat& policy,
                         Scene scene,
                         size_t sessions_count,
                         uint64_t seed)
    : seat_(policy),
      random_(seed),
      wants_(sessions_count, false),
      holder_(sessions_count),
      all_busy_(scene != Scene::kMixed) {
  for (size_t i = 0; i < sessions_count; ++i) {
    clients_.push_back(MakeClient(scene, i));
  }
  uint64_t parts = 0;
  for (const Client& client : clients_) {
    parts += client.due;
  }
  for (Client& client : clients_) {
    if (scene == Scene::kWeights) {
      client.slice.share = static_cast<uint32_t>(client.due * kWholeShare / parts);
      client.due = client.slice.share;
    }
    accounts_.Enter(client.session, client.slice, now_ns_);
  }
}

uint64_t PolicyTrial::Between(uint64_t least, uint64_t most) {
  return least + random_() % (most - least + 1);
}

PolicyTrial::Client PolicyTrial::MakeClient(Scene scene, size_t i) {
  Client client{.session = i + 1};
  client.command_ns = kCommandsNs[random_() % std::size(kCommandsNs)];
  client.slice.priority = Priority::kStandard;
  if (scene == Scene::kWeights) {
    client.due = Between(1, 8);
  }
  if (scene == Scene::kMixed) {
    client.slice.priority = kPriorities[random_() % std::size(kPriorities)];
    client.slice.share_limit =
        random_() % 4 == 0 ? static_cast<uint32_t>(Between(kWholeShare / 100, kWholeShare / 4)) : 0;
    client.comes_and_goes = random_() % 2 == 0;
  }
  return client;
}

void PolicyTrial::LetComeAndGo() {
  for (size_t i = 0; i < clients_.size(); ++i) {
    Client& client = clients_[i];
    if (!client.comes_and_goes) {
      wants_[i] = true;
    } else if (now_ns_ >= client.changes_ns) {
      wants_[i] = !wants_[i];
      client.changes_ns = now_ns_ + Between(kMs, 40 * kMs);
    }
    accounts_.NoteWants(client.session, wants_[i]);
  }
}

// The same view must have the same answer, and stay as it is.
void PolicyTrial::Examine(const GpuView& view, Report* report) {
  const farlane_policy_view shown = ShowToPolicy(view, &shown_);
  const std::vector<farlane_policy_session> before = shown_;
  farlane_policy_decision answers[2] = {};
  for (farlane_policy_decision& answer : answers) {
    const uint64_t began_ns = NowNs();
    seat_.policy().decide(&shown, &answer);
    decides_ns_.push_back(NowNs() - began_ns);
  }
  if (memcmp(&answers[0], &answers[1], sizeof answers[0]) != 0) {
    report->fault = "it gives two answers to the same view";
  }
  if (memcmp(before.data(), shown_.data(), before.size() * sizeof before[0]) != 0) {
    report->fault = "it changes what it is shown";
  }
}

// True when somebody has a turn now.
bool PolicyTrial::Apply(const TurnDecision& decision, Report* report) {
  if (decision.kind == TurnDecision::Kind::kNobody) {
    holder_ = clients_.size();
    return false;
  }
  if (decision.kind == TurnDecision::Kind::kGive) {
    const Client& next = clients_[decision.session];
    waits_ns_[static_cast<size_t>(next.slice.priority)].push_back(
        accounts_.Views()[decision.session].waits_ns);
    if (holder_ != decision.session) {
      ++report->changes;
      now_ns_ += kChangeNs;
    }
    holder_ = decision.session;
    accounts_.NoteTurn(next.session);
    credit_ns_ = decision.credit_ns;
    turn_is_over_ = false;
  } else if (decision.others) {
    // Who went on alone does so no longer.
    credit_ns_ = std::min(credit_ns_, decision.credit_ns);
  }
  return wants_[holder_];
}

void PolicyTrial::RunCommand() {
  Client& client = clients_[holder_];
  const uint64_t takes_ns = Between(client.command_ns / 2, client.command_ns * 3 / 2);
  now_ns_ += takes_ns;
  client.used_ns += takes_ns;
  accounts_.Charge(client.session, takes_ns);
  credit_ns_ -= credit_ns_ == UINT64_MAX ? 0 : std::min(credit_ns_, takes_ns);
  turn_is_over_ = credit_ns_ == 0;
}

void PolicyTrial::Step(Report* report) {
  accounts_.Advance(now_ns_);
  LetComeAndGo();
  const std::vector<SessionView> views = accounts_.Views();
  GpuView view{
      .sessions = views, .holder = {}, .turn_is_over = false, .owed_ns = accounts_.owed_ns()};
  if (holder_ != clients_.size()) {
    view.holder = holder_;
    view.turn_is_over = turn_is_over_ || !wants_[holder_];
  }
  if (report->decisions++ % kExamineParts == 0 && AnybodyMayRun(view)) {
    Examine(view, report);
  }
  const TurnDecision decision = seat_.Decide(view);
  if (!seat_.dismissal().empty()) {
    report->fault = seat_.dismissal();
    return;
  }
  if (Apply(decision, report)) {
    RunCommand();
  } else {
    now_ns_ += kIdleNs;
  }
}

void PolicyTrial::Summarize(Report* report) {
  double used = 0;
  double due = 0;
  for (const Client& client : clients_) {
    used += static_cast<double>(client.used_ns);
    due += static_cast<double>(client.due);
  }
  double sum = 0;
  double squares = 0;
  for (const Client& client : clients_) {
    const double got =
        static_cast<double>(client.used_ns) / used / (static_cast<double>(client.due) / due);
    report->share_error = std::max(report->share_error, std::fabs(got - 1));
    sum += got;
    squares += got * got;
  }
  report->jain = sum * sum / (static_cast<double>(clients_.size()) * squares);
  for (size_t i = 0; i < std::size(waits_ns_); ++i) {
    report->wait_ns[i] = PartOf(&waits_ns_[i], 99);
  }
  report->decide_ns = PartOf(&decides_ns_, 50);
  report->decide_ns_99 = PartOf(&decides_ns_, 99);
}

PolicyTrial::Report PolicyTrial::Run(uint64_t decisions) {
  Report report;
  while (report.decisions < decisions && report.fault.empty()) {
    Step(&report);
  }
  Summarize(&report);
  if (!all_busy_) {
    report.share_error = report.jain = 0;
  }
  return report;
}

}  // namespace farlane::server
