// SPDX-License-Identifier: Apache-2.0
// Context is what a program's work on one device belongs to: its streams, its failure, its
// settings. A primary context keeps its handle for ever but comes alive and dies with its users.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "protocol/abi/coredump_settings.h"
#include "protocol/abi/cuda_abi.h"
#include "protocol/base/bytes.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/device_places.h"
#include "soft-gpu/device/handle_table.h"
#include "soft-gpu/device/processor_set.h"
#include "soft-gpu/device/stream.h"
#include "soft-gpu/exec/launch.h"

namespace farlane::soft {

constexpr int kPriorityLeast = 0;
constexpr int kPriorityGreatest = -5;

constexpr size_t kStackLimitDefault = 1_KiB;
constexpr size_t kStackLimitMax = 512_KiB;  // local memory of a thread, at most

// Settings that are kept and answered, and change nothing here but the limits that exec reads.
struct ContextSettings {
  std::array<size_t, CU_LIMIT_MAX> limits{};
  CUfunc_cache cache = CU_FUNC_CACHE_PREFER_NONE;
  CUsharedconfig shared = CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE;
  uint32_t flags = 0;
  std::vector<uint64_t> peers;  // contexts whose memory this one may use

  // What a thread has for recursion. The limit that a program never set was not chosen for what is
  // on a stack here, so more is given than it says.
  uint64_t StackBytes() const {
    const size_t limit = limits[CU_LIMIT_STACK_SIZE];
    return limit == kStackLimitDefault ? kStackBytesDefault : limit;
  }
};

// Shared by the driver's table, the stacks of threads, and objects that belong to it.
// Thread: any, guarded.
class Context {
 public:
  // `engines`: of the device, where that is modelled; else null.
  Context(uint64_t handle,
          int device,
          bool primary,
          HandleTable<Stream>* streams,
          Engines* engines = nullptr)
      : handle_(handle), device_(device), primary_(primary), streams_(streams), engines_(engines) {}

  // A green context: streams of their own, on some of the device's processors. All else is its
  // home's, the device's primary context.
  Context(uint64_t handle,
          std::shared_ptr<Context> home,
          const ProcessorSet& processors,
          HandleTable<Stream>* streams)
      : handle_(handle),
        device_(home->device()),
        primary_(false),
        streams_(streams),
        engines_(home->engines_),
        home_(std::move(home)),
        processors_(processors) {}

  // Begins a life, with fresh settings and streams; what failed before is forgotten.
  void Open(uint64_t id, uint32_t flags);
  // Waits for all work, ends kernels that get nowhere, and closes the streams.
  void Close();

  std::shared_ptr<Stream> CreateStream(uint32_t flags, int priority);
  // The stream leaves the context and takes no more work; what it has under way goes on.
  void DropStream(const std::shared_ptr<Stream>& stream);
  // The context's legacy default stream.
  std::shared_ptr<Stream> legacy() const;

  // Submits work with what the rules of default streams make it wait for: the legacy stream waits
  // for every blocking stream and every blocking stream waits for it.
  SharedCompletion Submit(Stream* stream, Work work);
  // Submits work that comes after all that the context's streams have now. One mark comes after the
  // other, and streams do not wait for them.
  SharedCompletion Mark(Work work);
  // What is submitted to any of the streams from now on comes after this.
  void Hold(const SharedCompletion& before);
  // What has to be over before `stream` counts as idle.
  Completions Pending(const Stream& stream) const;
  // Waits for all work of all streams.
  void Synchronize();

  uint64_t handle() const { return handle_; }

  uint64_t id() const { return id_.load(std::memory_order_acquire); }

  int device() const { return device_; }

  bool primary() const { return primary_; }

  bool alive() const { return alive_.load(std::memory_order_acquire); }

  StickyError& failed() { return home_ == nullptr ? failed_ : home_->failed_; }

  Guarded<ContextSettings>& settings() { return home_ == nullptr ? settings_ : home_->settings_; }

  // Null unless this is a green context.
  const std::shared_ptr<Context>& home() const { return home_; }

  // Of a green context.
  const ProcessorSet& processors() const { return processors_; }

  // What is asked of a primary context is asked of its green ones as well.
  void AddGreen(const std::shared_ptr<Context>& green);
  std::vector<std::shared_ptr<Context>> greens() const;

  // What malloc of the context's kernels takes from; made when it is first asked for.
  std::shared_ptr<ContextHeap> HeapIn(DeviceMemory& memory);

  abi::CoredumpSettings& coredump() { return coredump_; }

  void set_api_version(uint32_t version) { api_version_ = version; }

  uint32_t api_version() const { return api_version_; }

 private:
  struct Streams {
    std::shared_ptr<Stream> legacy;
    std::vector<std::shared_ptr<Stream>> others;
    std::shared_ptr<Stream> marks;  // null before the first
    Completions holds;              // what all streams wait for
    Completions orphans;  // last work of streams that were destroyed while it was under way
  };

  static void AddAll(const Streams& members, Completions* pending);
  static void AddBlockingTails(const Streams& members, Completions* pending);
  Completions AllPending() const;
  void EndWork();

  uint64_t handle_;
  int device_;
  bool primary_;
  HandleTable<Stream>* streams_;
  Engines* const engines_;
  std::atomic<bool> alive_{false};
  std::atomic<uint64_t> id_{0};
  uint32_t api_version_ = 3020;
  StickyError failed_;
  Guarded<ContextSettings> settings_;
  abi::CoredumpSettings coredump_;
  std::atomic<bool> held_{false};  // there have been holds; costs one load where there are none
  Guarded<Streams> members_;
  const std::shared_ptr<Context> home_;  // shared with those who use it by itself
  const ProcessorSet processors_;
  Guarded<std::vector<std::weak_ptr<Context>>> greens_;
  Guarded<std::shared_ptr<ContextHeap>> heap_;  // shared with the programs that allocate from it
};

// The context to which belongs what is made in this one.
inline const std::shared_ptr<Context>& HomeOf(const std::shared_ptr<Context>& context) {
  return context->home() == nullptr ? context : context->home();
}

}  // namespace farlane::soft
