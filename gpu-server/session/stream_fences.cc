// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/stream_fences.h"

#include <algorithm>

namespace farlane::server {

void StreamFences::DropReached() {
  std::erase_if(fences_, [this](const Fence& fence) {
    return driver_.cuEventQuery(fence.event->get()) != CUDA_ERROR_NOT_READY;
  });
}

CUresult StreamFences::Add(const Place& place) {
  DropReached();
  const bool stands_for_all = fences_.size() == kFencesMax;
  if (stands_for_all) {
    Apply(place);
  }
  Fence fence{.place = place, .event = nullptr, .behind = {}};
  const CUresult result = place.context->events.Record(place.stream, &fence.event);
  if (result != CUDA_SUCCESS) {
    return result;  // what was fenced before still is
  }
  // The same stream's later fence is behind its earlier one.
  std::erase_if(fences_, [&place, stands_for_all](const Fence& earlier) {
    return stands_for_all || earlier.place == place;
  });
  fences_.push_back(std::move(fence));
  return CUDA_SUCCESS;
}

void StreamFences::Apply(const Place& place) {
  DropReached();
  for (Fence& fence : fences_) {
    const bool behind = fence.place == place || std::find(fence.behind.begin(), fence.behind.end(),
                                                          place) != fence.behind.end();
    if (!behind && driver_.cuStreamWaitEvent(place.stream, fence.event->get(), 0) == CUDA_SUCCESS) {
      fence.behind.push_back(place);
    }
  }
}

void StreamFences::Forget(const ContextPtr& context) {
  std::erase_if(fences_, [&context](const Fence& fence) { return fence.place.context == context; });
  for (Fence& fence : fences_) {
    std::erase_if(fence.behind,
                  [&context](const Place& place) { return place.context == context; });
  }
}

}  // namespace farlane::server
