// SPDX-License-Identifier: Apache-2.0
#include "client-shim/call_scope.h"

namespace farlane::shim {

wire::Handle CallScope::ContextOf(CUevent event) const {
  const Event* found = session_->objects().events.Find(ToWire(event));
  return found == nullptr || ThreadState::Mine().in_callback ? 0 : found->context;
}

bool CallScope::OwnsRows(CUdeviceptr address,
                         uint64_t count,
                         uint64_t element_bytes,
                         uint64_t pitch,
                         uint64_t rows) const {
  if (count == 0 || rows == 0) {
    return true;
  }
  if (count > UINT64_MAX / element_bytes || (rows > 1 && pitch > (UINT64_MAX >> 1) / rows)) {
    return false;
  }
  const uint64_t width = count * element_bytes;
  const uint64_t before_last = rows > 1 ? pitch * (rows - 1) : 0;
  if (width > UINT64_MAX - before_last || (rows > 1 && pitch < width)) {
    return false;
  }
  const int32_t device = session_->DeviceOfAddress(address);
  if (device < 0) {
    return false;
  }
  const std::optional<AddressRange> around = session_->memory(device).Find(address);
  if (!around.has_value()) {
    return session_->virtual_memory().IsMapped(address, before_last + width) &&
           session_->shares().Allows(address, before_last + width);
  }
  return before_last + width <= around->bytes - (address - around->address);
}

CUresult CallScope::RefuseCaptured(CUstream stream) const {
  graph::Captures& captures = session_->captures();
  if (!captures.busy()) {
    return CUDA_SUCCESS;
  }
  CUresult result = CUDA_SUCCESS;
  const graph::Standing standing =
      captures.StandingOf(session_->TraitsOf(context_, ToWire(stream)), &result);
  return standing == graph::Standing::kCaptured ? captures.Spoil(ToWire(stream)) : result;
}

CUresult CallScope::WhyNoContext() const {
  if (ThreadState::Mine().in_callback) {
    return CUDA_ERROR_NOT_PERMITTED;
  }
  return context_ == 0 ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult CallScope::WaitForPosted() const {
  const uint64_t before = session_->work();
  const CUresult result = Call(wire::ContextSynchronize{.context = context_});
  if (result == CUDA_SUCCESS && session_->HasOneContext()) {
    session_->NoteQuiet(before);
  }
  const CUresult earlier = session_->TakeOwnError();
  return result != CUDA_SUCCESS ? result : earlier;
}

}  // namespace farlane::shim
