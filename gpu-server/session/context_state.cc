// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/session/context_state.h"

namespace farlane::server {

PooledEvent::~PooledEvent() {
  pool_.free_.With([this](std::vector<CUevent>& free) { free.push_back(event_); });
}

CUresult EventPool::Record(CUstream stream, std::shared_ptr<PooledEvent>* pooled) {
  CUevent event = free_.With([](std::vector<CUevent>& free) -> CUevent {
    if (free.empty()) {
      return nullptr;
    }
    const CUevent last = free.back();
    free.pop_back();
    return last;
  });
  CUresult result = event == nullptr ? driver_.cuEventCreate(&event, flags_) : CUDA_SUCCESS;
  if (result == CUDA_SUCCESS) {
    *pooled = std::make_shared<PooledEvent>(*this, event);
    result = driver_.cuEventRecord(event, stream);
  }
  return result;
}

ContextScope::ContextScope(const DriverTable& driver,
                           const ContextState* current,
                           const ContextState& wanted)
    : driver_(driver),
      pushed_(current != &wanted && driver.cuCtxPushCurrent_v2(wanted.context) == CUDA_SUCCESS) {}

ContextScope::~ContextScope() {
  if (pushed_) {
    CUcontext popped = nullptr;
    static_cast<void>(driver_.cuCtxPopCurrent_v2(&popped));
  }
}

}  // namespace farlane::server
