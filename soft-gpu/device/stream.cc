// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/stream.h"

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include <pthread.h>

#include "soft-gpu/device/stream_clock.h"

namespace farlane::soft {
namespace {

bool AllDone(const Completions& completions) {
  return std::all_of(completions.begin(), completions.end(),
                     [](const SharedCompletion& completion) { return completion->done(); });
}

constexpr size_t kMarkAfterMax = 64;  // more is rare, and looking at them takes time

// Adds what is not over yet, marks replaced by what they come after.
void AddOpen(const SharedCompletion& completion, Completions* open) {
  if (completion == nullptr || completion->done()) {
    return;
  }
  if (completion->after().empty()) {
    open->push_back(completion);
    return;
  }
  for (const SharedCompletion& before : completion->after()) {
    AddOpen(before, open);
  }
}

// The completion of a mark behind `tail`.
SharedCompletion MakeMark(const SharedCompletion& tail, const Completions& after) {
  Completions open;
  AddOpen(tail, &open);
  for (const SharedCompletion& before : after) {
    AddOpen(before, &open);
  }
  if (open.size() > kMarkAfterMax) {
    return std::make_shared<Completion>();  // over when the stream's thread gets there
  }
  auto mark = std::make_shared<Completion>(std::move(open));
  if (mark->after().empty()) {
    mark->Finish();
  }
  return mark;
}

// The program's signals are for the program's threads.
void BlockSignals() {
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

}  // namespace

void Stream::Run(const Work& work) {
  if (!work.run || (failed_->get() != CUDA_SUCCESS && !work.always)) {
    return;
  }
  const CUresult result = work.run();
  if (result != CUDA_SUCCESS) {
    failed_->Set(result);
  }
}

SharedCompletion Stream::Submit(Work work) {
  SharedCompletion completion = std::make_shared<Completion>();
  if (work.brief && AllDone(work.after)) {
    const SharedCompletion tail = Tail();
    // Nobody can order later work after this before we return, so it need not be in the queue.
    if (tail == nullptr || tail->done()) {
      Run(work);
      completion->Finish();
      return completion;
    }
  }
  const uint64_t given_ns = traits_.engines == nullptr ? 0 : NowNs();
  const bool start = queue_.With([&](Queue& queue) {
    if (!work.run) {
      completion = MakeMark(queue.tail, work.after);
    }
    queue.tail = completion;
    if (completion->done()) {
      return false;
    }
    queue.items.push_back({std::move(work), completion, given_ns});
    return !std::exchange(queue.thread_started, true);
  });
  if (start) {
    StartThread();
  }
  changes_.word().fetch_add(1);
  changes_.TellOne();
  return completion;
}

void Stream::StartThread() {
  // Detached: it ends by itself when the stream is closed and idle, and keeps the stream until
  // then.
  std::thread([self = shared_from_this()] { self->Serve(); }).detach();
}

bool Stream::Next(Item* item) {
  for (;;) {
    const uint32_t seen = changes_.load();
    bool closed = false;
    const bool found = queue_.With([&](Queue& queue) {
      closed = queue.closed;
      if (queue.items.empty()) {
        return false;
      }
      *item = std::move(queue.items.front());
      queue.items.pop_front();
      return true;
    });
    if (found || closed) {
      return found;
    }
    changes_.Wait(seen);
  }
}

void Stream::Serve() {
  BlockSignals();
  Item item;
  uint64_t over_ns = 0;  // of what came before
  while (Next(&item)) {
    for (const SharedCompletion& before : item.work.after) {
      before->Wait();
    }
    if (traits_.engines != nullptr) {
      over_ns = RunModelled(item, over_ns);
    } else {
      Run(item.work);
    }
    item.work = Work();  // what the work holds is let go before anybody hears that it is over
    item.completion->Finish(traits_.engines != nullptr ? over_ns : NowNs());
    item.completion.reset();
  }
}

uint64_t Stream::RunModelled(const Item& item, uint64_t ready_ns) {
  StreamClock clock(traits_.engines, std::max(ready_ns, item.given_ns));
  for (const SharedCompletion& before : item.work.after) {
    clock.Join(before->time_ns());
  }
  Run(item.work);
  return clock.ns();
}

SharedCompletion Stream::Tail() const {
  return queue_.With([](const Queue& queue) { return queue.tail; });
}

void Stream::Synchronize() const {
  if (const SharedCompletion tail = Tail()) {
    tail->Wait();
  }
}

void Stream::Close() {
  queue_.With([](Queue& queue) { queue.closed = true; });
  changes_.word().fetch_add(1);
  changes_.TellOne();
}

}  // namespace farlane::soft
