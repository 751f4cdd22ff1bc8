// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/bench_counters.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/farlane/system_calls.h"

namespace farlane::cli {

BenchCounters::BenchCounters(const abi::OwnTable* table) : table_(table) {
  perf_event_attr wanted{};
  wanted.size = sizeof wanted;
  wanted.type = PERF_TYPE_HARDWARE;
  wanted.config = PERF_COUNT_HW_INSTRUCTIONS;
  wanted.exclude_kernel = 1;
  wanted.exclude_hv = 1;
  instructions_ =
      Fd(static_cast<int>(syscall(SYS_perf_event_open, &wanted, 0, -1, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!instructions_.valid()) {
    NoteMissing(std::string("instructions: this kernel gives no counter of them: ") +
                strerror(errno));
  }
  if (table_ == nullptr) {
    NoteMissing("round trips: only Farlane's client library counts them");
  }
}

void BenchCounters::NoteMissing(const std::string& what) {
  if (std::find(missing_.begin(), missing_.end(), what) == missing_.end()) {
    missing_.push_back(what);
  }
}

uint64_t BenchCounters::ReadInstructions() const {
  uint64_t value = 0;
  const ssize_t got = read(instructions_.get(), &value, sizeof value);
  return got == static_cast<ssize_t>(sizeof value) ? value : 0;
}

Counts BenchCounters::Count(int repetitions, const std::function<void()>& once) {
  const auto all = [&] {
    for (int i = 0; i < repetitions; ++i) {
      once();
    }
  };
  const auto each = [repetitions](uint64_t total) {
    return static_cast<double>(total) / repetitions;
  };
  Counts counts;
  const uint64_t trips = table_ == nullptr ? 0 : table_->round_trips();
  const uint64_t before = instructions_.valid() ? ReadInstructions() : 0;
  all();
  if (instructions_.valid()) {
    counts.instructions = each(ReadInstructions() - before);
  }
  if (table_ != nullptr) {
    counts.round_trips = each(table_->round_trips() - trips);
  }
  const Result<uint64_t> system_calls = CountSystemCalls(all);
  if (system_calls.ok()) {
    counts.system_calls = each(*system_calls);
  } else {
    NoteMissing("system calls: " + system_calls.error().message());
  }
  return counts;
}

}  // namespace farlane::cli
