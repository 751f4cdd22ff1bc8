// SPDX-License-Identifier: Apache-2.0
// What the small libcuda of the tests keeps: contexts, lanes of work with a thread each, memory
// that is the host's. Not Guarded: threads wait on conditions with these locks, and a test driver
// has no one to answer to.
#pragma once

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"
#include "protocol/base/environment.h"

namespace {

using farlane::operator""_MiB;

constexpr uint64_t kGranularity = 2_MiB;
// A launch with so many blocks does not return.
constexpr unsigned int kStuckGrid = 4242;

// What a test says by environment: FAKE_CUDA_MEMORY, FAKE_CUDA_INIT.
uint64_t MemoryBytes() {
  const auto text = farlane::Environment("FAKE_CUDA_MEMORY");
  return text.has_value() ? *farlane::ParseBytes(*text) : 256_MiB;
}

// What of the device this process may use, where there is an MPS (FAKE_CUDA_MPS). The rules are of
// NVIDIA's MPS guide, "Appendix: Environment Variables": CUDA_MPS_ACTIVE_THREAD_PERCENTAGE bounds
// the processors that a client can use, and CUDA_MPS_PINNED_DEVICE_MEM_LIMIT, "0=64M,1=64M", the
// memory of each device that it can allocate. That the attribute for the number of processors is
// the bounded one stands in "Volta MPS Execution Resource Provisioning". Without an MPS a driver
// looks at neither.
int MpsProcessors(int all) {
  const auto percent = farlane::Environment("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
  if (!farlane::Environment("FAKE_CUDA_MPS").has_value() || !percent.has_value()) {
    return all;
  }
  return (all * atoi(percent->c_str()) + 99) / 100;
}

uint64_t MpsMemoryBytes() {
  const auto limits = farlane::Environment("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT");
  unsigned long long mebibytes = 0;
  if (!farlane::Environment("FAKE_CUDA_MPS").has_value() || !limits.has_value() ||
      sscanf(limits->c_str(), "0=%lluM", &mebibytes) != 1) {
    return UINT64_MAX;
  }
  return mebibytes << 20;
}

// One stream: its work runs in order on a thread of its own.
class Lane {
 public:
  Lane() : thread_([this] { Loop(); }) {
    std::lock_guard<std::mutex> lock(every_mutex);
    every_lane.insert(this);
  }

  ~Lane() {
    {
      std::lock_guard<std::mutex> lock(every_mutex);
      every_lane.erase(this);
    }
    Push(nullptr);
    thread_.join();
  }

  uint64_t Push(std::function<void()> work) {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.push_back(std::move(work));
    changed_.notify_all();
    return ++pushed_;
  }

  uint64_t pushed() {
    std::lock_guard<std::mutex> lock(mutex_);
    return pushed_;
  }

  bool IsDone(uint64_t number) {
    std::lock_guard<std::mutex> lock(mutex_);
    return done_ >= number;
  }

  void WaitFor(uint64_t number) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return done_ >= number; });
  }

  // Memory must not go while work may use it, in whichever context that is.
  static void WaitForAll() {
    std::lock_guard<std::mutex> lock(every_mutex);
    for (Lane* lane : every_lane) {
      lane->WaitFor(lane->pushed());
    }
  }

 private:
  static inline std::mutex every_mutex;
  static inline std::set<Lane*> every_lane;

  void Loop() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return !queue_.empty(); });
      const std::function<void()> work = std::move(queue_.front());
      queue_.pop_front();
      if (work == nullptr) {
        return;
      }
      lock.unlock();
      work();
      lock.lock();
      ++done_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  uint64_t pushed_ = 0;
  uint64_t done_ = 0;
  std::thread thread_;
};

struct Context {
  std::shared_ptr<Lane> null_lane = std::make_shared<Lane>();
  std::vector<std::shared_ptr<Lane>> lanes;
  std::map<void*, std::shared_ptr<void>> owned;  // streams, events and modules go with it
};

struct Stream {
  Context* owner;
  std::shared_ptr<Lane> lane;
};

struct Event {
  Context* owner;
  std::shared_ptr<Lane> lane;
  uint64_t number = 0;
};

struct Kernel {
  const char* name;
  std::vector<uint32_t> sizes;
  std::function<void(const std::byte* parameters)> run;
  // Functions load lazily: before that one can be listed, named and nothing else.
  std::atomic<bool> loaded = false;
};

template <typename T>
T Parameter(const std::byte* parameters, size_t offset) {
  T value;
  memcpy(&value, parameters + offset, sizeof value);
  return value;
}

void AddOne(const std::byte* parameters) {
  auto* numbers = reinterpret_cast<uint32_t*>(Parameter<uint64_t>(parameters, 0));
  for (uint32_t i = 0; i < Parameter<uint32_t>(parameters, 8); ++i) {
    ++numbers[i];
  }
}

void Spin(const std::byte* parameters) {
  std::this_thread::sleep_for(std::chrono::milliseconds(Parameter<uint32_t>(parameters, 0)));
}

void Say(const std::byte* parameters) {
  printf("kernel says %u\n", Parameter<uint32_t>(parameters, 0));
}

void Complain(const std::byte* parameters) {
  fprintf(stderr, "kernel complains %u\n", Parameter<uint32_t>(parameters, 0));
}

// Ends the process by a signal, whoever handles faults in it: the sanitizers do.
void Crash(const std::byte*) {
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

Kernel kernels[] = {
    {"add_one", {8, 4}, AddOne}, {"spin", {4}, Spin},
    {"say", {4}, Say},           {"crash", {}, Crash},
    {"complain", {4}, Complain}, {"nothing", {}, [](const std::byte*) {}},
};

struct Module {
  Context* owner;
  uint32_t global[16] = {};
};

// The state of the device.
std::mutex mutex;
uint64_t created_bytes = 0;
std::map<CUmemGenericAllocationHandle, int> chunks;  // memfd of each
CUmemGenericAllocationHandle next_chunk = 1;
std::map<uint64_t, CUmemGenericAllocationHandle> mapped;
Context* primary = nullptr;
int primary_retains = 0;
thread_local Context* current = nullptr;

template <typename T, typename Handle>
T* As(Handle handle) {
  return reinterpret_cast<T*>(handle);
}

// Something of the current context.
template <typename T>
T* Own(std::shared_ptr<T> made) {
  std::lock_guard<std::mutex> lock(mutex);
  T* const object = made.get();
  current->owned[object] = std::move(made);
  return object;
}

template <typename T>
void Disown(T* object) {
  std::shared_ptr<void> ended;  // without the lock: a stream's work may want it
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = object->owner->owned.find(object);
  ended = std::move(found->second);
  object->owner->owned.erase(found);
}

std::vector<std::shared_ptr<Lane>> LanesOf(const Context& context) {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<std::shared_ptr<Lane>> lanes = {context.null_lane};
  lanes.insert(lanes.end(), context.lanes.begin(), context.lanes.end());
  return lanes;
}

std::shared_ptr<Lane> LaneOf(CUstream stream) {
  return stream == nullptr ? current->null_lane : As<Stream>(stream)->lane;
}

}  // namespace
