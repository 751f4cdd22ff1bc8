// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/engines.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <optional>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "protocol/base/check.h"
#include "protocol/base/clock.h"

namespace farlane::soft {
namespace {

// So often whoever is next looks whether whoever has the engine is still alive; the others look
// less often, or a hundred of them would do nothing else.
constexpr uint64_t kLookNs = 5'000'000;
constexpr uint64_t kLookLaterNs = 20'000'000;
// The engine is free and somebody else's turn, whose thread has not come yet: to look again then.
constexpr uint64_t kNextNs = 100'000;
constexpr uint64_t kMicrosecondNs = 1'000;

constexpr uint64_t kSecondNs = 1'000'000'000;

void SleepUntil(uint64_t time_ns) {
  // By default the kernel may be 50 microseconds late, to wake several threads at a time.
  thread_local const bool is_exact = prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0) == 0;
  static_cast<void>(is_exact);
  const timespec until{.tv_sec = static_cast<time_t>(time_ns / kSecondNs),
                       .tv_nsec = static_cast<long>(time_ns % kSecondNs)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace

// What an engine does, or has done last.
struct Engines::Occupation {
  uint64_t start_ns;
  uint64_t end_ns;
  uint32_t process;  // as the file counts them
  int32_t pid;
  uint64_t is_noted;  // in the log
};

// Work that is ready for an engine.
struct Engines::Waiter {
  uint64_t ready_ns;
  uint32_t process;  // 0: nobody waits here
  uint32_t load_us;  // what it will take, for those behind it
};

struct Engines::State {
  Occupation last;
  Waiter waiters[kWaitersMax];
};

// Work of this process that is ready, and its place among those that wait.
struct Engines::Wish {
  uint64_t ready_ns = 0;
  uint64_t load_ns = 0;
  std::optional<uint32_t> place;
  uint64_t end_ns = 0;
};

// Those who have been ready for longer.
struct Engines::Queue {
  uint32_t count = 0;
  uint64_t load_ns = 0;  // what they will take, at least
};

// The right to change a device's clocks, among processes.
// Thread: caller's, which guards the file.
class Engines::Turn {
 public:
  Turn(const FrameFile& file, uint32_t device) : file_(file), device_(device) {
    int failed = 0;
    do {
      failed = Lock(F_OFD_SETLKW, F_WRLCK);
    } while (failed != 0 && errno == EINTR);
    FARLANE_CHECK(failed == 0);
  }

  ~Turn() { Lock(F_OFD_SETLK, F_UNLCK); }

  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  int Lock(int command, short type) const {
    struct flock lock {};

    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = FrameFile::kEngineLocks + device_;
    lock.l_len = 1;
    return fcntl(file_.fd(), command, &lock);
  }

  const FrameFile& file_;
  const uint32_t device_;
};

const Engines::State& Engines::StateOf(const FrameFile& file, uint32_t device, Engine engine) {
  static_assert(sizeof(State) * kEngineCount * kDevicesMax <= FrameFile::kEnginesBytes);
  const auto* const states = reinterpret_cast<const State*>(file.engines());
  return states[device * kEngineCount + static_cast<uint32_t>(engine)];
}

uint64_t Engines::Begin(const EngineLoad& load, uint64_t ready_ns) {
  Wish wish{.ready_ns = ready_ns, .load_ns = load.ns, .place = {}, .end_ns = 0};
  for (;;) {
    const uint64_t again_ns = file_.With([&](const std::shared_ptr<FrameFile>& file) {
      const Turn turn(*file, device_);
      return TakeUp(*file, load, &wish);
    });
    if (again_ns == 0) {
      return wish.end_ns;
    }
    SleepUntil(again_ns);
  }
}

void Engines::End(const EngineLoad& load, uint64_t end_ns) {
  SleepUntil(end_ns);
  if (log_ == nullptr) {
    return;
  }
  file_.With([&](const std::shared_ptr<FrameFile>& file) {
    const Turn turn(*file, device_);
    const Occupation& last = StateOf(*file, device_, load.engine).last;
    if (last.process == file->process() && last.end_ns == end_ns && last.is_noted == 0) {
      Note(*file, load.engine, last);
    }
  });
}

uint64_t Engines::TakeUp(FrameFile& file, const EngineLoad& load, Wish* wish) const {
  const State& state = StateOf(file, device_, load.engine);
  const uint64_t now_ns = NowNs();
  FreeOfTheDead(file, load.engine, now_ns);
  const uint64_t free_ns = state.last.end_ns;
  const Queue before = QueueBefore(file, state, *wish);
  if (free_ns > now_ns || before.count != 0) {
    Enter(file, state, wish);
    const uint64_t soonest_ns = free_ns > now_ns ? free_ns : now_ns + kNextNs;
    const uint64_t look_ns = now_ns + (before.count > 1 ? kLookLaterNs : kLookNs);
    return std::min(soonest_ns + before.load_ns, look_ns);
  }
  if (state.last.is_noted == 0) {
    Note(file, load.engine, state.last);
  }
  const uint64_t start_ns = std::max(wish->ready_ns, free_ns);
  wish->end_ns = start_ns + load.ns;
  const Occupation occupation{.start_ns = start_ns,
                              .end_ns = wish->end_ns,
                              .process = file.process(),
                              .pid = getpid(),
                              .is_noted = 0};
  file.Write(&state.last, &occupation, sizeof occupation);
  if (wish->place.has_value()) {
    const Waiter nobody{};
    file.Write(&state.waiters[*wish->place], &nobody, sizeof nobody);
  }
  return 0;
}

void Engines::FreeOfTheDead(FrameFile& file, Engine engine, uint64_t now_ns) const {
  const State& state = StateOf(file, device_, engine);
  if (state.last.end_ns <= now_ns || state.last.process == file.process() ||
      file.IsAlive(state.last.process)) {
    return;
  }
  Occupation cut = state.last;
  cut.end_ns = std::max(cut.start_ns, now_ns);
  file.Write(&state.last, &cut, sizeof cut);
}

// Those who died waiting wait no more. Whether one lives is a question to the system, and asked
// only of the one that is next.
Engines::Queue Engines::QueueBefore(FrameFile& file, const State& state, const Wish& wish) {
  const uint32_t mine = wish.place.value_or(kWaitersMax);
  while (true) {
    Queue queue;
    const Waiter* first = nullptr;
    for (uint32_t place = 0; place < kWaitersMax; ++place) {
      const Waiter& waiter = state.waiters[place];
      const bool is_before =
          waiter.ready_ns < wish.ready_ns || (waiter.ready_ns == wish.ready_ns && place < mine);
      if (waiter.process == 0 || place == mine || !is_before) {
        continue;
      }
      ++queue.count;
      queue.load_ns += waiter.load_us * kMicrosecondNs;
      first = first == nullptr || waiter.ready_ns < first->ready_ns ? &waiter : first;
    }
    if (first == nullptr || first->process == file.process() || file.IsAlive(first->process)) {
      return queue;
    }
    const Waiter nobody{};
    file.Write(first, &nobody, sizeof nobody);
  }
}

void Engines::Enter(FrameFile& file, const State& state, Wish* wish) {
  if (wish->place.has_value()) {
    return;
  }
  for (uint32_t place = 0; place < kWaitersMax; ++place) {
    if (state.waiters[place].process != 0) {
      continue;
    }
    const Waiter waiter{.ready_ns = wish->ready_ns,
                        .process = file.process(),
                        .load_us = static_cast<uint32_t>(
                            std::min<uint64_t>(wish->load_ns / kMicrosecondNs, UINT32_MAX))};
    file.Write(&state.waiters[place], &waiter, sizeof waiter);
    wish->place = place;
    return;
  }
}

// Exactly once, by whoever has had the engine or by whoever has it next.
void Engines::Note(FrameFile& file, Engine engine, const Occupation& occupation) const {
  if (log_ == nullptr || occupation.process == 0) {
    return;
  }
  log_->Write({.device = device_,
               .engine = engine,
               .pid = occupation.pid,
               .start_ns = occupation.start_ns,
               .end_ns = occupation.end_ns});
  const uint64_t is_noted = 1;
  file.Write(&StateOf(file, device_, engine).last.is_noted, &is_noted, sizeof is_noted);
}

}  // namespace farlane::soft
