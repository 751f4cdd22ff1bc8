// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/arbiter/demands.h"

#include <algorithm>
#include <utility>

namespace farlane::server {
namespace {

constexpr uint64_t kPercent = 100;
// Who has asked for less than this part of what is its due makes nobody else wait.
constexpr uint64_t kLittleParts = 4;

}  // namespace

Priority Demands::ClassOf(const Demand& one) {
  return one.slice.priority == Priority::kUnset ? Priority::kStandard : one.slice.priority;
}

void Demands::Enter(Session session, const SliceRequest& slice) {
  demands_[session].slice = slice;
}

void Demands::Leave(Session session) {
  demands_.erase(session);
}

void Demands::Resize(Session session, const SliceRequest& slice) {
  demands_.at(session).slice = slice;
}

void Demands::SetWeight(Session session, uint64_t weight) {
  demands_.at(session).weight = weight;
}

// A cap is kept by turns, and who is to give way to everybody else must be stopped by somebody.
bool Demands::NeedsTurns(const Demand& one) {
  return one.deep || one.lengthy || one.endless_spans >= kEndlessSpans ||
         one.slice.share_limit != 0 || one.slice.priority == Priority::kBestEffort ||
         one.slice.isolation == Isolation::kScrubbed;
}

void Demands::Note(Session session, const Work& more) {
  Demand& one = demands_.at(session);
  one.span.asked_ns += more.asked_ns;
  one.light_ns += one.light ? more.asked_ns : 0;
  one.span.deep_ns += more.deep_ns;
  one.span.commands += more.commands;
  one.span.wants = one.span.wants || more.wants;
  one.span.in_flight = more.in_flight;
  one.credit_ns -= static_cast<int64_t>(std::min<uint64_t>(more.asked_ns, kDebtSpanNs));
  one.asks = one.asks || more.wants || more.asked_ns != 0;
}

// Who is there, and what of.
void Demands::Count() {
  active_weight_ = 0;
  active_ = needing_ = 0;
  lowest_needing_ = Priority::kGuaranteed;
  scrubbed_ = false;
  for (const auto& [session, one] : demands_) {
    scrubbed_ = scrubbed_ || one.slice.isolation == Isolation::kScrubbed;
    if (!IsActive(one)) {
      continue;
    }
    ++active_;
    active_weight_ += one.weight;
    if (NeedsTurns(one)) {
      ++needing_;
      lowest_needing_ = std::min(lowest_needing_, ClassOf(one));
    }
  }
}

bool Demands::OthersNeedTurns(const Demand& but) const {
  return needing_ > (IsActive(but) && NeedsTurns(but) ? 1 : 0);
}

// Of the device's time, as much as the session's weight is of those that are there.
uint64_t Demands::DueOf(const Demand& one, uint64_t span_ns) const {
  const uint64_t all = active_weight_ + (IsActive(one) ? 0 : one.weight);
  return static_cast<uint64_t>(static_cast<unsigned __int128>(span_ns) * one.weight /
                               std::max<uint64_t>(all, one.weight));
}

void Demands::Fill(uint64_t passed_ns) {
  for (auto& [session, one] : demands_) {
    const int64_t most_ns =
        std::clamp(static_cast<int64_t>(DueOf(one, kCreditSpanNs)), kCreditNsMin, kCreditNsMax);
    const auto debt_ns = static_cast<int64_t>(DueOf(one, kDebtSpanNs));
    one.credit_ns += static_cast<int64_t>(DueOf(one, std::min(passed_ns, kDebtSpanNs)));
    // What nobody else wanted was free.
    one.credit_ns = OthersNeedTurns(one) ? std::clamp(one.credit_ns, -debt_ns, most_ns) : most_ns;
  }
}

// Of a session that has done something in this span.
bool Demands::IsDeep(Demand& one) {
  one.shallow_spans = one.span.deep_ns * kDeepParts > one.span.asked_ns ? 0 : one.shallow_spans + 1;
  return one.shallow_spans < kShallowSpans;
}

void Demands::EndSpan() {
  const uint64_t span_ns = now_ns_ - span_began_ns_;
  uint64_t asked_ns = 0;
  for (const auto& [session, one] : demands_) {
    asked_ns += one.span.asked_ns;
  }
  busy_ = asked_ns * kPercent > span_ns * (busy_ ? kQuietPercent : kBusyPercent);
  for (auto& [session, one] : demands_) {
    const Work span = one.span;
    if (span.asked_ns != 0) {
      one.deep = IsDeep(one);
      one.lengthy = busy_ && span.asked_ns > DueOf(one, span_ns) / kLittleParts &&
                    span.asked_ns / std::max<uint64_t>(span.commands, 1) >= kLongNs;
    } else if (!IsActive(one)) {
      one.deep = one.lengthy = false;
      one.shallow_spans = kShallowSpans;
    }
    one.endless_spans = span.in_flight && span.commands == 0 ? one.endless_spans + 1 : 0;
    one.last_light_ns = std::exchange(one.light_ns, 0);
    one.span = {};
  }
  span_began_ns_ = now_ns_;
}

// Whoever is of a higher class than one who needs turns takes them, too: it stops the other so.
bool Demands::MayBeLight(const Demand& one) const {
  if (scrubbed_ || NeedsTurns(one) || (needing_ != 0 && lowest_needing_ < ClassOf(one))) {
    return false;
  }
  if (needing_ == 0) {
    return true;
  }
  // Who has used up its credit is light again when it has saved a part of it.
  const auto enough_ns = static_cast<int64_t>(DueOf(one, kSpanNs));
  return one.credit_ns > (one.light ? 0 : std::min(enough_ns, kCreditNsMax / 2));
}

std::vector<Demands::Session> Demands::Advance(uint64_t now_ns) {
  const uint64_t passed_ns = now_ns_ == 0 || now_ns < now_ns_ ? 0 : now_ns - now_ns_;
  now_ns_ = now_ns;
  span_began_ns_ = span_began_ns_ == 0 ? now_ns : span_began_ns_;
  for (auto& [session, one] : demands_) {
    one.active_ns = std::exchange(one.asks, false) ? now_ns : one.active_ns;
  }
  Count();
  Fill(passed_ns);
  if (now_ns_ - span_began_ns_ >= kSpanNs) {
    EndSpan();
    Count();
  }
  std::vector<Session> heavier;
  for (auto& [session, one] : demands_) {
    const bool light = MayBeLight(one);
    if (one.light && !light) {
      heavier.push_back(session);
    }
    one.light = light;
  }
  return heavier;
}

uint64_t Demands::CreditOf(Session session) const {
  const Demand& one = demands_.at(session);
  if (!OthersNeedTurns(one)) {
    return 2 * kSpanNs;
  }
  return static_cast<uint64_t>(std::max(one.credit_ns, kCreditNsMin));
}

uint64_t Demands::TakeDebt(Session session) {
  Demand& one = demands_.at(session);
  // No more than there was time for: what is believed of commands may have others' work in it.
  return std::min(std::exchange(one.light_ns, 0) + std::exchange(one.last_light_ns, 0),
                  2 * kSpanNs);
}

bool Demands::OthersWork(Session session) const {
  return active_ > (IsActive(demands_.at(session)) ? 1 : 0);
}

}  // namespace farlane::server
