// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/work_meter.h"

#include <algorithm>

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
  run.waits = IsBehindAWait(context.get(), stream);
  if (FollowsTheLast(context, stream)) {
    run.begin = runs_.back().end;
  } else if (context->timed_events.Record(stream, &run.begin) != CUDA_SUCCESS) {
    begun_ = false;  // the driver has its reasons, and will tell them to the command itself
    return;
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
  if (run.given_ns == 0) {
    run.given_ns = waits.now_ns;
  }
  return run.waits || (waits.streams && waits.now_ns - run.given_ns >= kBeginNs);
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

uint64_t WorkMeter::Measure(const Run& run) {
  float alone_ms = 0;
  if (driver_.cuEventElapsedTime(&alone_ms, run.begin->get(), run.end->get()) != CUDA_SUCCESS) {
    return run.expected_ns;
  }
  Learn(run, static_cast<uint64_t>(std::max(alone_ms, 0.0F) * kNsPerMs));
  float begin_ms = 0;
  float end_ms = 0;
  const bool known =
      base_ != nullptr && base_context_ == run.context &&
      driver_.cuEventElapsedTime(&begin_ms, base_->get(), run.begin->get()) == CUDA_SUCCESS &&
      driver_.cuEventElapsedTime(&end_ms, base_->get(), run.end->get()) == CUDA_SUCCESS;
  double charged_ms = alone_ms;
  if (known) {
    charged_ms = std::max(
        0.0, static_cast<double>(end_ms) - std::max(static_cast<double>(begin_ms), covered_ms_));
    covered_ms_ = std::max(covered_ms_, static_cast<double>(end_ms));
  }
  if (!known || end_ms > kBaseMsMax) {
    // From now on times are counted from this end, or from where it is covered already.
    covered_ms_ = known ? covered_ms_ - static_cast<double>(end_ms) : 0;
    base_ = run.end;
    base_context_ = run.context;
  }
  return static_cast<uint64_t>(std::max(charged_ms, 0.0) * kNsPerMs);
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
