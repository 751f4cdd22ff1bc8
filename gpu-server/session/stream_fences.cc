// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/stream_fences.h"

#include <algorithm>
#include <utility>

namespace farlane::server {

void StreamFences::DropReached() {
  std::erase_if(fences_, [this](const Fence& fence) {
    return driver_.cuEventQuery(fence.event->get()) != CUDA_ERROR_NOT_READY;
  });
}

CUresult StreamFences::Add(const Place& place) {
  std::shared_ptr<PooledEvent> mark;
  const CUresult result = place.context->events.Record(place.stream, &mark);
  if (result == CUDA_SUCCESS) {  // else what was fenced before still is
    Add(place, std::move(mark));
  }
  return result;
}

void StreamFences::Add(const Place& place, std::shared_ptr<PooledEvent> mark) {
  DropReached();
  // The same stream's later fence is behind its earlier one.
  std::erase_if(fences_, [&place](const Fence& earlier) { return earlier.place == place; });
  if (fences_.size() == kFencesMax) {
    Apply(place);
    std::shared_ptr<PooledEvent> behind_all;
    if (place.context->events.Record(place.stream, &behind_all) == CUDA_SUCCESS) {
      fences_.clear();
      mark = std::move(behind_all);
    }
  }
  fences_.push_back({.place = place, .event = std::move(mark), .behind = {}});
}

bool StreamFences::Apply(const Place& place) {
  const auto is_behind = [&place](const Fence& fence) {
    return fence.place == place ||
           std::find(fence.behind.begin(), fence.behind.end(), place) != fence.behind.end();
  };
  // The driver is asked only where a stream would have to wait.
  std::erase_if(fences_, [&](const Fence& fence) {
    return !is_behind(fence) && driver_.cuEventQuery(fence.event->get()) != CUDA_ERROR_NOT_READY;
  });
  bool waits = false;
  for (Fence& fence : fences_) {
    if (is_behind(fence)) {
      continue;
    }
    if (driver_.cuStreamWaitEvent(place.stream, fence.event->get(), 0) == CUDA_SUCCESS) {
      fence.behind.push_back(place);
      waits = true;
    } else {
      // The order holds also where the driver does not take the wait.
      static_cast<void>(driver_.cuEventSynchronize(fence.event->get()));
    }
  }
  return waits;
}

void StreamFences::Forget(const ContextPtr& context) {
  std::erase_if(fences_, [&context](const Fence& fence) { return fence.place.context == context; });
  for (Fence& fence : fences_) {
    std::erase_if(fence.behind,
                  [&context](const Place& place) { return place.context == context; });
  }
}

}  // namespace farlane::server
