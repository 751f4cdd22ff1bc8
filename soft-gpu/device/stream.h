// SPDX-License-Identifier: Apache-2.0
// Stream runs work in the order in which it was submitted, on a host thread of its own that starts
// with the first work. Work may also have to wait for completions of other streams.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "protocol/abi/cuda_abi.h"
#include "protocol/abi/stream_attributes.h"
#include "protocol/base/guarded.h"
#include "protocol/graph/node_params.h"
#include "soft-gpu/device/completion.h"
#include "soft-gpu/device/engines.h"

namespace farlane::soft {

// What a context remembers when asynchronous work fails: the first failure stays.
// Thread: any.
class StickyError {
 public:
  CUresult get() const { return static_cast<CUresult>(value_.load(std::memory_order_acquire)); }

  void Set(CUresult result) {
    int expected = CUDA_SUCCESS;
    value_.compare_exchange_strong(expected, result, std::memory_order_acq_rel);
  }

  void Clear() { value_.store(CUDA_SUCCESS, std::memory_order_release); }

 private:
  std::atomic<int> value_{CUDA_SUCCESS};
};

struct Work {
  // Null for work that only marks a place in the order.
  std::function<CUresult()> run;
  Completions after;
  // So short that the calling thread may do it where nothing is left to wait for.
  bool brief = false;
  // Runs even when the context has failed.
  bool always = false;
  // The kind of graph node that it is where a graph records it.
  CUgraphNodeType node = CU_GRAPH_NODE_TYPE_EMPTY;
  // What it does, for programs that ask; only looked at where a graph records it.
  graph::NodeParamsPtr params;
};

// The stream's thread shares it with the program's handle, so that work under way outlives the
// handle.
// Thread: any, guarded.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  struct Traits {
    uint64_t handle = 0;   // 0: a context's legacy default stream
    uint64_t context = 0;  // handle
    uint64_t id = 0;       // never used twice
    uint32_t flags = 0;
    int priority = 0;            // at first; see attributes()
    Engines* engines = nullptr;  // what it works with where the device is modelled; else null
  };

  Stream(const Traits& traits, StickyError* failed)
      : traits_(traits), attributes_(traits.priority), failed_(failed) {}

  SharedCompletion Submit(Work work);
  // The work submitted last; null if there never was any.
  SharedCompletion Tail() const;
  // Waits for all that was submitted.
  void Synchronize() const;
  // Takes no more work; the thread ends when what was submitted is over.
  void Close();

  const Traits& traits() const { return traits_; }

  // What the program has set since; nothing here runs differently for it.
  abi::StreamAttributes& attributes() { return attributes_; }

  bool blocking() const { return (traits_.flags & CU_STREAM_NON_BLOCKING) == 0; }

 private:
  struct Item {
    Work work;
    SharedCompletion completion;
    uint64_t given_ns = 0;  // by the clock, where that matters
  };

  struct Queue {
    std::deque<Item> items;
    SharedCompletion tail;
    bool thread_started = false;
    bool closed = false;
  };

  // False when the queue is empty and closed.
  bool Next(Item* item);
  void Run(const Work& work);
  // Runs it on a modelled device, from then on; when it was over there.
  uint64_t RunModelled(const Item& item, uint64_t ready_ns);
  void Serve();
  void StartThread();

  Traits traits_;
  abi::StreamAttributes attributes_;
  StickyError* failed_;  // the context's; outlives the stream
  Guarded<Queue> queue_;
  WaitWord changes_;  // goes up when the queue changes, to wait on
};

}  // namespace farlane::soft
