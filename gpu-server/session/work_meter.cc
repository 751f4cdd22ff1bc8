// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/work_meter.h"

#include <algorithm>
#include <cmath>

namespace farlane::server {
namespace {

constexpr double kNsPerMs = 1'000'000;
// What is believed follows what is measured: at once half the way down, and slowly up. A device
// that was busy otherwise makes a command look longer than it is, and nothing makes it look
// shorter.
constexpr uint64_t kDownParts = 2;
constexpr uint64_t kUpParts = 16;
// ... and by no more than a part of itself, however long it was once, but of this at least.
constexpr uint64_t kUpNs = 16'000;

// How long after one event the other was passed.
std::optional<int64_t> NsBetween(const DriverTable& driver,
                                 const PooledEvent& from,
                                 const PooledEvent& to) {
  float ms = 0;
  if (driver.cuEventElapsedTime(&ms, from.get(), to.get()) != CUDA_SUCCESS) {
    return std::nullopt;
  }
  return std::llround(static_cast<double>(ms) * kNsPerMs);
}

}  // namespace

uint64_t WorkMeter::Expected(uint64_t key) const {
  const auto found = took_ns_.find(key);
  return found == took_ns_.end() ? kUnknownNs : found->second;
}

// Whether the stream goes on with the next run as soon as it has ended the last one.
bool WorkMeter::FollowsTheLast(const ContextPtr& context, CUstream stream) const {
  return !apart_ && !runs_.empty() && runs_.back().context == context &&
         runs_.back().stream == stream && runs_.back().end != nullptr &&
         driver_.cuEventQuery(runs_.back().end->get()) == CUDA_ERROR_NOT_READY;
}

void WorkMeter::Begin(const ContextPtr& context, CUstream stream) {
  if (open_.has_value() && (open_->context != context || open_->stream != stream)) {
    Close(context.get());
  }
  begun_ = true;
  if (open_.has_value()) {
    return;
  }
  Run run;
  run.context = context;
  run.stream = stream;
  run.given_ns = clock_();
  run.waits = IsBehindAWait(context.get(), stream);
  if (FollowsTheLast(context, stream)) {
    run.begin = runs_.back().end;
  } else if (context->timed_events.Record(stream, &run.begin) != CUDA_SUCCESS) {
    begun_ = false;  // the driver has its reasons, and will tell them to the command itself
    return;
  } else {
    run.begin_is_own = true;
  }
  open_ = std::move(run);
}

void WorkMeter::End(uint64_t key, uint64_t run_ns, bool graph) {
  if (!std::exchange(begun_, false) || !open_.has_value()) {
    return;
  }
  const uint64_t expected_ns = Expected(key);
  open_->commands.push_back({.key = key, .expected_ns = expected_ns});
  open_->expected_ns += expected_ns;
  open_->graph |= graph;
  if (!open_->waits) {
    expected_ns_ += expected_ns;
    ++in_flight_;
  }
  // On the legacy stream an event waits for all other streams: nothing may come between.
  if (open_->stream == nullptr || open_->commands.size() >= kRunCommandsMax ||
      open_->expected_ns >= run_ns) {
    Close(open_->context.get());
  }
}

void WorkMeter::Close(const ContextState* current) {
  if (!open_.has_value()) {
    return;
  }
  Run run = std::move(*open_);
  open_.reset();
  if (run.commands.empty()) {
    return;
  }
  const ContextScope scope(driver_, current, *run.context);
  if (run.context->timed_events.Record(run.stream, &run.end) != CUDA_SUCCESS) {
    run.end = nullptr;
  }
  runs_.push_back(std::move(run));
  apart_ = false;
}

void WorkMeter::Part(const ContextState* current) {
  Close(current);
  apart_ = true;
}

bool WorkMeter::IsDone(const ContextState* current, const Run& run) {
  const ContextScope scope(driver_, current, *run.context);
  return run.end == nullptr || driver_.cuEventQuery(run.end->get()) != CUDA_ERROR_NOT_READY;
}

// Of the first run of a stream that is not done.
bool WorkMeter::IsWaiting(const ContextState* current, Run& run, const Waits& waits, bool* any) {
  if (run.begun) {
    return run.graph && waits.graphs;
  }
  const ContextScope scope(driver_, current, *run.context);
  run.begun = driver_.cuEventQuery(run.begin->get()) != CUDA_ERROR_NOT_READY;
  if (run.begun) {
    *any = *any || run.waits;
    return run.graph && waits.graphs;
  }
  if (run.seen_ns == 0) {
    run.seen_ns = waits.now_ns;
  }
  return run.waits || (waits.streams && waits.now_ns - run.seen_ns >= kBeginNs);
}

// What waits is not worked on, and when it goes on it counts from there.
void WorkMeter::NoteOldest(uint64_t now_ns) {
  begun_ns_ = 0;
  for (Run& run : runs_) {
    if (run.waits) {
      run.begun_ns = 0;
    } else if (run.begun) {
      run.begun_ns = run.begun_ns == 0 ? now_ns : run.begun_ns;
      begun_ns_ = run.begun_ns;
      return;
    }
  }
}

bool WorkMeter::IsBehindAWait(const ContextState* context, CUstream stream) const {
  for (auto run = runs_.rbegin(); run != runs_.rend(); ++run) {
    if (run->context.get() == context && run->stream == stream) {
      return run->waits;
    }
  }
  return false;
}

bool WorkMeter::Look(const ContextState* current, const Waits& waits) {
  bool any = false;
  lanes_.clear();
  for (auto at = runs_.begin(); at != runs_.end();) {
    const auto lane = std::find_if(lanes_.begin(), lanes_.end(), [&at](const Lane& one) {
      return one.context == at->context.get() && one.stream == at->stream;
    });
    if (lane != lanes_.end()) {
      at->waits = lane->waits;  // what comes later on a stream is not done either
      ++at;
    } else if (IsDone(current, *at)) {
      Charge(*at);
      at = runs_.erase(at);
      any = true;
    } else {
      at->waits = IsWaiting(current, *at, waits, &any);
      lanes_.push_back({.context = at->context.get(), .stream = at->stream, .waits = at->waits});
      ++at;
    }
  }
  NoteOldest(waits.now_ns);
  Count();
  return any;
}

void WorkMeter::Count() {
  in_flight_ = 0;
  expected_ns_ = 0;
  const auto count = [this](const Run& run) {
    if (!run.waits) {
      in_flight_ += static_cast<uint32_t>(run.commands.size());
      expected_ns_ += run.expected_ns;
    }
  };
  for (const Run& run : runs_) {
    count(run);
  }
  if (open_.has_value()) {
    count(*open_);
  }
}

// What cannot be measured counts as what was expected: else failing would be free.
void WorkMeter::Charge(const Run& run) {
  const uint64_t charged_ns = run.end == nullptr ? run.expected_ns : Measure(run);
  used_ns_ += charged_ns;
  commands_ += run.commands.size();
  uint64_t believed_ns = 0;
  for (const Command& command : run.commands) {
    believed_ns += Expected(command.key);
  }
  asked_ns_ += std::min(charged_ns, believed_ns);
}

// Nothing: there is no base that it can be compared with.
std::optional<WorkMeter::Times> WorkMeter::TimesOf(const Run& run) {
  if (base_ == nullptr || base_context_ != run.context) {
    return std::nullopt;
  }
  const std::optional<int64_t> begin_ns = NsBetween(driver_, *base_, *run.begin);
  const std::optional<int64_t> end_ns = NsBetween(driver_, *base_, *run.end);
  if (!begin_ns.has_value() || !end_ns.has_value()) {
    return std::nullopt;
  }
  if (run.begin_is_own) {
    device_clock_.Learn(run.given_ns, *begin_ns);
    return Times{.begin_ns = *begin_ns, .end_ns = *end_ns};
  }
  const int64_t given_ns = device_clock_.At(run.given_ns).value_or(*begin_ns);
  return Times{.begin_ns = std::max(*begin_ns, std::min(given_ns, *end_ns)), .end_ns = *end_ns};
}

uint64_t WorkMeter::Measure(const Run& run) {
  const std::optional<Times> times = TimesOf(run);
  const std::optional<int64_t> alone_ns = times.has_value()
                                              ? times->end_ns - times->begin_ns
                                              : NsBetween(driver_, *run.begin, *run.end);
  if (!alone_ns.has_value()) {
    return run.expected_ns;
  }
  Learn(run, static_cast<uint64_t>(std::max<int64_t>(*alone_ns, 0)));
  int64_t charged_ns = *alone_ns;
  if (times.has_value()) {
    charged_ns = times->end_ns - std::max(times->begin_ns, covered_ns_);
    covered_ns_ = std::max(covered_ns_, times->end_ns);
  }
  if (!times.has_value() || times->end_ns > kBaseNsMax) {
    // From now on times are counted from this end, or from where it is covered already.
    covered_ns_ = times.has_value() ? covered_ns_ - times->end_ns : 0;
    if (times.has_value()) {
      device_clock_.Rebase(times->end_ns);
    } else {
      device_clock_.Forget();
    }
    base_ = run.end;
    base_context_ = run.context;
  }
  return static_cast<uint64_t>(std::max<int64_t>(charged_ns, 0));
}

void WorkMeter::Learn(const Run& run, uint64_t took_ns) {
  if (took_ns_.size() > kKeysMax) {
    took_ns_.clear();
  }
  uint64_t last = 0;
  for (const Command& command : run.commands) {
    if (command.key == last) {
      continue;
    }
    last = command.key;
    // Of a run of several kinds each has the part that it was expected to have.
    const auto part = static_cast<unsigned __int128>(took_ns) * (command.expected_ns + 1);
    const auto now_ns = static_cast<uint64_t>(part / (run.expected_ns + run.commands.size()));
    const auto [found, is_new] = took_ns_.emplace(command.key, now_ns);
    if (!is_new) {
      uint64_t& believed_ns = found->second;
      if (now_ns < believed_ns) {
        believed_ns -= (believed_ns - now_ns) / kDownParts;
      } else {
        believed_ns += std::min(now_ns - believed_ns, believed_ns + kUpNs) / kUpParts;
      }
    }
  }
}

void WorkMeter::Forget(const ContextPtr& context) {
  if (open_.has_value() && open_->context == context) {
    Close(nullptr);
  }
  std::erase_if(runs_, [this, &context](const Run& run) {
    if (run.context != context) {
      return false;
    }
    used_ns_ += run.expected_ns;
    asked_ns_ += run.expected_ns;
    return true;
  });
  Count();
  begun_ns_ = 0;
  if (base_context_ == context) {
    base_ = nullptr;
    base_context_ = nullptr;
  }
}

}  // namespace farlane::server
