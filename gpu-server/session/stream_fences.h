// SPDX-License-Identifier: Apache-2.0
// StreamFences hold back what a client posts to any of its streams until what was on a fenced
// stream is done. A stream is made to wait when it is named the next time, so a fence costs an
// event, and streams that nobody uses nothing.
#pragma once

#include <memory>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "gpu-server/session/context_state.h"
#include "protocol/wire/handle.h"

namespace farlane::server {

// Thread: the dispatch thread.
class StreamFences {
 public:
  explicit StreamFences(const DriverTable& driver) : driver_(driver) {}

  // A stream of the current context, by its handle and as the driver knows it.
  struct Place {
    ContextPtr context;
    wire::Handle handle = 0;  // 0: the legacy stream
    CUstream stream = nullptr;

    bool operator==(const Place& other) const {
      return handle == other.handle && (handle != 0 || context == other.context);
    }
  };

  bool empty() const { return fences_.empty(); }

  // Behind all that the stream has been given.
  CUresult Add(const Place& place);
  // Behind what `mark`, the last event of the stream, stands for.
  void Add(const Place& place, std::shared_ptr<PooledEvent> mark);
  // Before work is put on a stream. Whether it has been made to wait.
  bool Apply(const Place& place);
  // The context is about to end, and all that is in it.
  void Forget(const ContextPtr& context);

 private:
  // Together they wait for as much, so more are not kept.
  static constexpr size_t kFencesMax = 8;

  struct Fence {
    Place place;
    std::shared_ptr<PooledEvent> event;  // of the context's pool, which takes it back
    std::vector<Place> behind;           // streams that wait for it already
  };

  void DropReached();

  const DriverTable& driver_;
  std::vector<Fence> fences_;
};

}  // namespace farlane::server
