// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/bench_mixed.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include <sys/resource.h>
#include <sys/socket.h>

#include "protocol/base/bytes.h"
#include "protocol/base/clock.h"
#include "tools/farlane/bench_noise.h"
#include "tools/farlane/raw_connection.h"

namespace farlane::cli {
namespace {

// Odd, so that there is one in the middle.
constexpr int kRounds = 5;
constexpr int kAsks = 60;
constexpr size_t kBytes = 64_MiB;
constexpr size_t kPingBytes = 64;
// Who asks all the time leaves the others no turn.
constexpr auto kPause = std::chrono::microseconds(1500);

using Act = std::function<bool()>;

// What this thread has done so far.
struct Effort {
  double processor_us = 0;
  double sleeps = 0;

  static Effort Now() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    const auto microseconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    return {.processor_us = microseconds(used.ru_utime) + microseconds(used.ru_stime),
            .sleeps = static_cast<double>(used.ru_nvcsw)};
  }
};

// Of one round.
struct Asked {
  double median_us = 0;
  double slowest_us = 0;
  double processor_us = 0;  // of the thread that asks, for each time
  double sleeps = 0;        // the same; its own pauses are not counted
  double rate = 0;          // of the data meanwhile, in GB/s
};

// Does something all the time in a thread of its own, once at least. Thread: caller's, with the
// other behind it.
class Mover {
 public:
  explicit Mover(Act move) : move_(std::move(move)), thread_([this] { Loop(); }) {
    while (moved_ == 0 && !failed_) {
      std::this_thread::yield();
    }
  }

  ~Mover() { Stop(); }

  // False if something failed.
  bool Stop() {
    stop_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
    return !failed_;
  }

  int moved() const { return moved_; }

 private:
  void Loop() {
    while (!stop_ && !failed_) {
      failed_ = !move_();
      ++moved_;
    }
  }

  const Act move_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::atomic<int> moved_{0};
  std::thread thread_;
};

bool Ask(const Act& once, Asked* asked) {
  std::vector<double> times;
  const Effort before = Effort::Now();
  for (int i = 0; i < kAsks; ++i) {
    const uint64_t start = NowNs();
    if (!once()) {
      return false;
    }
    times.push_back(static_cast<double>(NowNs() - start) * 1e-3);
    std::this_thread::sleep_for(kPause);
  }
  const Effort after = Effort::Now();
  std::sort(times.begin(), times.end());
  asked->median_us = times[times.size() / 2];
  asked->slowest_us = times.back();
  asked->processor_us = (after.processor_us - before.processor_us) / kAsks;
  asked->sleeps = std::max(0.0, (after.sleeps - before.sleeps) / kAsks - 1);
  return true;
}

bool AskDuring(const Act& once, const Act& move, Asked* asked) {
  Mover mover(move);
  const int before = mover.moved();
  const uint64_t start = NowNs();
  const bool answered = Ask(once, asked);
  const auto took_ns = static_cast<double>(NowNs() - start);
  asked->rate = static_cast<double>(mover.moved() - before) * static_cast<double>(kBytes) / took_ns;
  return mover.Stop() && answered;
}

// A bare connection whose far end answers. Thread: caller's, with the far end behind it.
class Peer {
 public:
  explicit Peer(size_t bytes) : ends_(raw::Connect()), data_(bytes, 3) {
    if (ends_.first.valid() && ends_.second.valid()) {
      thread_ = std::thread(raw::Answer, ends_.second.get(), bytes);
    }
  }

  ~Peer() {
    if (thread_.joinable()) {
      static_cast<void>(shutdown(ends_.first.get(), SHUT_RDWR));
      thread_.join();
    }
  }

  bool Ping() {
    char byte = 0;
    return thread_.joinable() && raw::Send(ends_.first.get(), data_.data(), data_.size()) &&
           raw::Receive(ends_.first.get(), &byte, 1);
  }

 private:
  std::pair<Fd, Fd> ends_;
  std::vector<char> data_;
  std::thread thread_;
};

// One kind of asking, over all rounds. Thread: caller's.
class Kind {
 public:
  Kind(std::string name, Act once, Act move)
      : name_(std::move(name)), once_(std::move(once)), move_(std::move(move)) {}

  bool Round(bool counts) {
    Asked asked;
    const bool done = move_ == nullptr ? Ask(once_, &asked) : AskDuring(once_, move_, &asked);
    if (counts) {
      rounds_.push_back(asked);
    }
    return done;
  }

  void AppendRows(std::vector<BenchRow>* rows) const {
    rows->push_back(RowOf(name_, "us", &Asked::median_us));
    rows->push_back(RowOf(name_ + ", slowest of 60", "us", &Asked::slowest_us));
    rows->push_back(RowOf(name_ + ", processor time", "us", &Asked::processor_us));
    rows->push_back(RowOf(name_ + ", sleeps", "each", &Asked::sleeps));
    if (move_ != nullptr) {
      rows->push_back(RowOf(name_ + ", data meanwhile", "GB/s", &Asked::rate));
    }
  }

  const std::string& name() const { return name_; }

 private:
  BenchRow RowOf(std::string name, const char* unit, double Asked::*field) const {
    std::vector<double> values;
    for (const Asked& round : rounds_) {
      values.push_back(round.*field);
    }
    std::sort(values.begin(), values.end());
    const bool more_is_better = std::string(unit) == "GB/s";
    return {.name = std::move(name),
            .unit = unit,
            .median = values[values.size() / 2],
            .best = more_is_better ? values.back() : values.front(),
            .worst = more_is_better ? values.front() : values.back()};
  }

  const std::string name_;
  const Act once_;
  const Act move_;
  std::vector<Asked> rounds_;
};

}  // namespace

Result<std::vector<BenchRow>> MeasureMixed(const BenchDriver& driver) {
  const BenchCalls& calls = driver.calls();
  CUdeviceptr device = 0;
  CUcontext context = nullptr;
  if (calls.cuDevicePrimaryCtxRetain(&context, 0) != CUDA_SUCCESS ||
      calls.cuMemAlloc_v2(&device, kBytes) != CUDA_SUCCESS) {
    return Status(StatusCode::kUnavailable, "no memory for copies of 64 MiB");
  }
  std::vector<char> host(kBytes);
  FillWithNoise(host.data(), host.size());
  Peer small(kPingBytes);
  Peer large(kBytes);
  const Act ask = [&] {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    return calls.cuMemGetInfo_v2(&free_bytes, &total_bytes) == CUDA_SUCCESS;
  };
  const Act ping = [&] { return small.Ping(); };
  const Act move_raw = [&] { return large.Ping(); };
  const Act move_in = [&] {
    return calls.cuCtxSetCurrent(context) == CUDA_SUCCESS &&
           calls.cuMemcpyHtoD_v2(device, host.data(), kBytes) == CUDA_SUCCESS &&
           calls.cuCtxSynchronize() == CUDA_SUCCESS;
  };
  const Act move_out = [&] {
    return calls.cuCtxSetCurrent(context) == CUDA_SUCCESS &&
           calls.cuMemcpyDtoH_v2(host.data(), device, kBytes) == CUDA_SUCCESS;
  };
  std::vector<Kind> kinds;
  kinds.emplace_back("bare socket", ping, nullptr);
  kinds.emplace_back("call", ask, nullptr);
  kinds.emplace_back("bare socket beside another", ping, move_raw);
  kinds.emplace_back("call while data goes in", ask, move_in);
  kinds.emplace_back("call while data comes out", ask, move_out);
  for (int round = 0; round <= kRounds; ++round) {
    for (Kind& kind : kinds) {
      if (!kind.Round(round > 0)) {  // the first one warms up
        return Status(StatusCode::kUnavailable, kind.name() + ": it failed");
      }
    }
  }
  static_cast<void>(calls.cuMemFree_v2(device));
  std::vector<BenchRow> rows;
  for (const Kind& kind : kinds) {
    kind.AppendRows(&rows);
  }
  return rows;
}

}  // namespace farlane::cli
