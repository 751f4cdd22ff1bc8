// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/context.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "protocol/base/bytes.h"
#include "soft-gpu/exec/running_grids.h"

namespace farlane::soft {
namespace {

// What a kernel may take for some of its blocks when its context is taken down under it. Programs
// do that with work under way, so nothing that gets on is cut off.
constexpr uint64_t kPatienceNs = 2'000'000'000;
constexpr std::chrono::microseconds kLookPause{200};

void AddPending(const SharedCompletion& tail, Completions* pending) {
  if (tail != nullptr && !tail->done()) {
    pending->push_back(tail);
  }
}

uint64_t NextStreamId() {
  static std::atomic<uint64_t> minted{0};
  return minted.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

void Context::AddGreen(const std::shared_ptr<Context>& green) {
  greens_.With([&green](auto& all) {
    std::erase_if(all, [](const std::weak_ptr<Context>& one) { return one.expired(); });
    all.push_back(green);
  });
}

std::vector<std::shared_ptr<Context>> Context::greens() const {
  return greens_.With([](const auto& all) {
    std::vector<std::shared_ptr<Context>> alive;
    for (const std::weak_ptr<Context>& one : all) {
      if (std::shared_ptr<Context> green = one.lock(); green != nullptr && green->alive()) {
        alive.push_back(std::move(green));
      }
    }
    return alive;
  });
}

void Context::Open(uint64_t id, uint32_t flags) {
  failed_.Clear();
  settings_.With([&](ContextSettings& settings) {
    settings = ContextSettings();
    settings.flags = flags;
    settings.limits[CU_LIMIT_STACK_SIZE] = kStackLimitDefault;
    settings.limits[CU_LIMIT_PRINTF_FIFO_SIZE] = 1_MiB;
    settings.limits[CU_LIMIT_MALLOC_HEAP_SIZE] = 8_MiB;
    settings.limits[CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH] = 2;
    settings.limits[CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048;
    settings.limits[CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64;
  });
  Stream::Traits traits;
  traits.context = handle_;
  traits.id = NextStreamId();
  traits.engines = engines_;
  members_.With([&](Streams& members) {
    members.legacy = std::make_shared<Stream>(traits, &failed());
    members.others.clear();
    members.holds.clear();
  });
  held_.store(false, std::memory_order_relaxed);
  id_.store(id, std::memory_order_release);
  alive_.store(true, std::memory_order_release);
}

std::shared_ptr<ContextHeap> Context::HeapIn(DeviceMemory& memory) {
  return heap_.With([&](std::shared_ptr<ContextHeap>& heap) {
    if (heap == nullptr) {
      const auto size_bytes = [this] {
        return settings_.With([](const ContextSettings& settings) -> uint64_t {
          return settings.limits[CU_LIMIT_MALLOC_HEAP_SIZE];
        });
      };
      heap = std::make_shared<ContextHeap>(memory, device_, handle_, size_bytes);
    }
    return heap;
  });
}

void Context::Close() {
  alive_.store(false, std::memory_order_release);
  EndWork();
  const auto gone = members_.With([](Streams& members) {
    auto all = std::move(members.others);
    members.others.clear();
    all.push_back(members.legacy);
    if (members.marks != nullptr) {
      all.push_back(std::exchange(members.marks, nullptr));
    }
    return all;
  });
  for (const std::shared_ptr<Stream>& stream : gone) {
    stream->Close();
    static_cast<void>(streams_->Take(stream->traits().handle));
  }
  // Programs of this life keep the heap they know; the next life begins with another.
  heap_.With([](std::shared_ptr<ContextHeap>& heap) { heap = nullptr; });
}

std::shared_ptr<Stream> Context::CreateStream(uint32_t flags, int priority) {
  Stream::Traits traits;
  traits.handle = streams_->Mint();
  traits.context = handle_;
  traits.id = NextStreamId();
  traits.flags = flags;
  traits.engines = engines_;
  traits.priority = std::clamp(priority, kPriorityGreatest, kPriorityLeast);
  auto stream = std::make_shared<Stream>(traits, &failed());
  members_.With([&](Streams& members) { members.others.push_back(stream); });
  streams_->Set(traits.handle, stream);
  return stream;
}

void Context::DropStream(const std::shared_ptr<Stream>& stream) {
  members_.With([&](Streams& members) {
    std::erase(members.others, stream);
    std::erase_if(members.orphans, [](const SharedCompletion& work) { return work->done(); });
    AddPending(stream->Tail(), &members.orphans);
  });
  stream->Close();
}

std::shared_ptr<Stream> Context::legacy() const {
  return members_.With([](const Streams& members) { return members.legacy; });
}

void Context::AddBlockingTails(const Streams& members, Completions* pending) {
  for (const std::shared_ptr<Stream>& other : members.others) {
    if (other->blocking()) {
      AddPending(other->Tail(), pending);
    }
  }
  for (const SharedCompletion& orphan : members.orphans) {
    AddPending(orphan, pending);
  }
}

SharedCompletion Context::Mark(Work work) {
  const std::shared_ptr<Stream> marks = members_.With([&](Streams& members) {
    if (members.marks == nullptr) {
      members.marks = std::make_shared<Stream>(Stream::Traits{.context = handle_,
                                                              .id = NextStreamId(),
                                                              .flags = CU_STREAM_NON_BLOCKING,
                                                              .engines = engines_},
                                               &failed());
    }
    AddAll(members, &work.after);
    return members.marks;
  });
  for (const std::shared_ptr<Context>& green : greens()) {
    green->members_.With([&work](const Streams& members) { AddAll(members, &work.after); });
  }
  return marks->Submit(std::move(work));
}

void Context::Hold(const SharedCompletion& before) {
  members_.With([&](Streams& members) {
    std::erase_if(members.holds, [](const SharedCompletion& one) { return one->done(); });
    AddPending(before, &members.holds);
  });
  held_.store(true, std::memory_order_release);
  for (const std::shared_ptr<Context>& green : greens()) {
    green->Hold(before);
  }
}

SharedCompletion Context::Submit(Stream* stream, Work work) {
  if (held_.load(std::memory_order_acquire)) [[unlikely]] {
    members_.With([&](const Streams& members) {
      for (const SharedCompletion& hold : members.holds) {
        AddPending(hold, &work.after);
      }
    });
  }
  if (stream->blocking()) {
    members_.With([&](const Streams& members) {
      if (stream == members.legacy.get()) {
        AddBlockingTails(members, &work.after);
      } else {
        AddPending(members.legacy->Tail(), &work.after);
      }
    });
  }
  return stream->Submit(std::move(work));
}

Completions Context::Pending(const Stream& stream) const {
  Completions pending;
  AddPending(stream.Tail(), &pending);
  members_.With([&](const Streams& members) {
    if (&stream == members.legacy.get()) {
      AddBlockingTails(members, &pending);
    }
  });
  return pending;
}

Completions Context::AllPending() const {
  Completions pending;
  members_.With([&](const Streams& members) {
    AddAll(members, &pending);
    if (members.marks != nullptr) {
      AddPending(members.marks->Tail(), &pending);
    }
  });
  for (const std::shared_ptr<Context>& green : greens()) {
    const Completions more = green->AllPending();
    pending.insert(pending.end(), more.begin(), more.end());
  }
  return pending;
}

void Context::AddAll(const Streams& members, Completions* pending) {
  if (members.legacy != nullptr) {
    AddPending(members.legacy->Tail(), pending);
  }
  for (const std::shared_ptr<Stream>& other : members.others) {
    AddPending(other->Tail(), pending);
  }
  for (const SharedCompletion& orphan : members.orphans) {
    AddPending(orphan, pending);
  }
}

void Context::Synchronize() {
  for (const SharedCompletion& completion : AllPending()) {
    completion->Wait();
  }
}

void Context::EndWork() {
  if (home_ != nullptr) {
    Synchronize();  // whose kernels get nowhere only its home's end can say: they are the home's
    return;
  }
  GridStopper stopper(handle_, kPatienceNs);
  for (const SharedCompletion& completion : AllPending()) {
    while (!completion->done()) {
      stopper.Look();
      std::this_thread::sleep_for(kLookPause);
    }
  }
}

}  // namespace farlane::soft
