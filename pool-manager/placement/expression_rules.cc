// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/expression_rules.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace farlane::pool {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

// One name: how it is spelled and what it stands for.
struct NumberName {
  const char* name;
  ValueKind kind;
  double (*of)(const RuleSubject&);
};

struct TextName {
  const char* name;
  std::string_view (*of)(const RuleSubject&);
};

struct TermName {
  const char* name;
  double Slowdown::*term;
};

double FreeShare(const RuleSubject& s) {
  return std::max(0.0, 1 - static_cast<double>(s.device.promised_share) / kWholeShare);
}

double FreeMemory(const RuleSubject& s) {
  const uint64_t all = s.device.facts.memory_bytes;
  return static_cast<double>(all - std::min(all, s.device.promised_bytes)) / kGiB;
}

constexpr ValueKind kNumber = ValueKind::kNumber;

const NumberName kNumbers[] = {
    {"gpu.memory", kNumber,
     [](const RuleSubject& s) { return static_cast<double>(s.device.facts.memory_bytes) / kGiB; }},
    {"gpu.memory_free", kNumber, FreeMemory},
    {"gpu.share_free", kNumber, FreeShare},
    {"gpu.busy", kNumber, [](const RuleSubject& s) { return double{s.device.Busy()}; }},
    {"gpu.sessions", kNumber, [](const RuleSubject& s) { return double(s.device.sessions); }},
    {"gpu.capability", kNumber,
     [](const RuleSubject& s) { return s.device.facts.compute_capability / 10.0; }},
    {"gpu.speed", kNumber, [](const RuleSubject& s) { return double{s.device.facts.speed}; }},
    {"gpu.price", kNumber,
     [](const RuleSubject& s) { return double{s.device.facts.price_per_hour}; }},
    {"server.devices", kNumber,
     [](const RuleSubject& s) { return double(s.server.devices_count); }},
    {"server.risk", kNumber, [](const RuleSubject& s) { return double{s.server.risk}; }},
    {"link.rtt_ms", kNumber, [](const RuleSubject& s) { return s.link.rtt_s * 1e3; }},
    {"link.gbps", kNumber, [](const RuleSubject& s) { return s.link.bytes_per_s * 8e-9; }},
    {"request.devices", kNumber, [](const RuleSubject& s) { return double(s.request.devices); }},
    {"request.share", kNumber,
     [](const RuleSubject& s) { return static_cast<double>(s.request.share) / kWholeShare; }},
    {"request.memory", kNumber,
     [](const RuleSubject& s) { return static_cast<double>(s.request.memory_bytes) / kGiB; }},
    {"request.best_effort", ValueKind::kTruth,
     [](const RuleSubject& s) { return s.request.best_effort ? 1.0 : 0.0; }},
};

using View = std::string_view;

const TextName kTexts[] = {
    {"gpu.model", [](const RuleSubject& s) { return View(s.cluster.models()[s.device.model]); }},
    {"server.id", [](const RuleSubject& s) { return View(s.server.facts.id); }},
    {"server.region", [](const RuleSubject& s) { return View(s.server.facts.place.region); }},
    {"server.zone", [](const RuleSubject& s) { return View(s.server.facts.place.zone); }},
    {"server.rack", [](const RuleSubject& s) { return View(s.server.facts.place.rack); }},
    {"request.tenant", [](const RuleSubject& s) { return View(s.request.tenant); }},
    {"request.app", [](const RuleSubject& s) { return View(s.request.app); }},
    {"request.group", [](const RuleSubject& s) { return View(s.request.group); }},
};

const TermName kTerms[] = {
    {"net", &Slowdown::network},
    {"contention", &Slowdown::compute},
    {"paging", &Slowdown::memory},
    {"opportunity", &Slowdown::opportunity},
    {"fragmentation", &Slowdown::fragmentation},
    {"health", &Slowdown::health},
    {"affinity", &Slowdown::affinity},
    {"moving", &Slowdown::hysteresis},
};

constexpr size_t kNumbersCount = std::size(kNumbers);
constexpr size_t kTextsCount = std::size(kTexts);
constexpr size_t kTermsCount = std::size(kTerms);

class Subject : public ExpressionSubject {
 public:
  Subject(const RuleSubject& subject, const Slowdown& terms, double score)
      : subject_(subject), terms_(terms), score_(score) {}

  // The names are numbered as they are listed: numbers, texts, terms, the score.
  double Number(size_t name) const override {
    if (name < kNumbersCount) {
      return kNumbers[name].of(subject_);
    }
    const size_t term = name - kNumbersCount - kTextsCount;
    return term < kTermsCount ? terms_.*kTerms[term].term : score_;
  }

  std::string_view Text(size_t name) const override {
    return kTexts[name - kNumbersCount].of(subject_);
  }

  std::string_view Label(std::string_view key) const override {
    const std::string* value = FindLabel(subject_.server.facts.labels, std::string(key));
    return value == nullptr ? std::string_view() : std::string_view(*value);
  }

 private:
  const RuleSubject& subject_;
  const Slowdown& terms_;
  double score_;
};

std::vector<ExpressionName> MakeNames(bool with_terms) {
  std::vector<ExpressionName> names;
  for (const NumberName& one : kNumbers) {
    names.push_back({.name = one.name, .kind = one.kind});
  }
  for (const TextName& one : kTexts) {
    names.push_back({.name = one.name, .kind = ValueKind::kText});
  }
  if (with_terms) {
    for (const TermName& one : kTerms) {
      names.push_back({.name = one.name, .kind = kNumber});
    }
    names.push_back({.name = "score", .kind = kNumber});
  }
  return names;
}

}  // namespace

double CheckedScore(double score) {
  return std::isnan(score) ? kScoreMost : std::clamp(score, -kScoreMost, kScoreMost);
}

const std::vector<ExpressionName>& ExpressionRules::FilterNames() {
  static const std::vector<ExpressionName> names = MakeNames(false);
  return names;
}

const std::vector<ExpressionName>& ExpressionRules::ScoreNames() {
  static const std::vector<ExpressionName> names = MakeNames(true);
  return names;
}

Result<ExpressionRules> ExpressionRules::Read(const std::string& filter, const std::string& score) {
  ExpressionRules rules;
  if (!filter.empty()) {
    FARLANE_ASSIGN(rules.filter_, Expression::Read(filter, ValueKind::kTruth, FilterNames())
                                      .While("reading the policy's filter"));
  }
  if (!score.empty()) {
    FARLANE_ASSIGN(rules.score_, Expression::Read(score, ValueKind::kNumber, ScoreNames())
                                     .While("reading the policy's score"));
  }
  return rules;
}

Reason ExpressionRules::Filter(const RuleSubject& subject) const {
  if (!filter_.has_value()) {
    return Reason::kFits;
  }
  const Slowdown nothing;
  const double truth = filter_->Number(Subject(subject, nothing, 0));
  // What cannot be computed does not let anybody in.
  return truth != 0 && !std::isnan(truth) ? Reason::kFits : Reason::kPolicyFilter;
}

double ExpressionRules::Score(const RuleSubject& subject,
                              const Slowdown& terms,
                              double score) const {
  return score_.has_value() ? CheckedScore(score_->Number(Subject(subject, terms, score))) : score;
}

}  // namespace farlane::pool
