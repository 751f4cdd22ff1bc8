// SPDX-License-Identifier: Apache-2.0
// ContextState is one context of the client with what this side keeps in it: staging memory and
// events of our own.
#pragma once

#include <memory>
#include <vector>

#include "gpu-server/driver/driver_table.h"
#include "gpu-server/memory/staging_pool.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

class EventPool;

// Frees its event for the next user when destroyed.
// Thread: immutable.
class PooledEvent {
 public:
  PooledEvent(EventPool& pool, CUevent event) : pool_(pool), event_(event) {}

  PooledEvent(const PooledEvent&) = delete;
  PooledEvent& operator=(const PooledEvent&) = delete;
  ~PooledEvent();

  CUevent get() const { return event_; }

 private:
  EventPool& pool_;
  const CUevent event_;
};

// Thread: any, guarded. Record needs the context to be current.
class EventPool {
 public:
  // Events that tell no times cost the device less.
  explicit EventPool(const DriverTable& driver, unsigned flags = CU_EVENT_DISABLE_TIMING)
      : driver_(driver), flags_(flags) {}

  // An event that marks this point of a stream, or what the driver says instead. Shared between the
  // queue of what it stands for and whoever waits for it.
  CUresult Record(CUstream stream, std::shared_ptr<PooledEvent>* pooled);

 private:
  friend class PooledEvent;

  const DriverTable& driver_;
  const unsigned flags_;
  Guarded<std::vector<CUevent>> free_;
};

// Thread: the members say. Shared between the session's table and work that is still under way.
struct ContextState {
  ContextState(const DriverTable& driver, CUcontext of, CUdevice on, bool is_primary)
      : context(of),
        device(on),
        primary(is_primary),
        staging(driver),
        events(driver),
        timed_events(driver, CU_EVENT_DEFAULT) {}

  const CUcontext context;
  const CUdevice device;
  const bool primary;
  // Of a green context: what the driver calls it, and the primary one, to which all that is made in
  // it belongs and which it keeps. Set before it is bound.
  CUgreenCtx green = nullptr;
  std::shared_ptr<ContextState> home;
  StagingPool staging;
  EventPool events;
  EventPool timed_events;
};

using ContextPtr = std::shared_ptr<ContextState>;

// Makes a context current for a block, if another one is.
// Thread: caller's.
class ContextScope {
 public:
  // `current` is what is current now; null for none.
  ContextScope(const DriverTable& driver, const ContextState* current, const ContextState& wanted);
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope();

 private:
  const DriverTable& driver_;
  bool pushed_;
};

}  // namespace farlane::server
