// SPDX-License-Identifier: Apache-2.0
// DeviceScope is what calls about a device need first: a session and a device number that exists.
// No context.
#pragma once

#include "client-shim/current_context.h"
#include "client-shim/process.h"

namespace farlane::shim {

// Thread: the caller's, on its stack.
class DeviceScope {
 public:
  explicit DeviceScope(CUdevice device) : session_(Process::Get().session()), device_(device) {
    if (session_ == nullptr) {
      result_ = Process::Get().Why();
    } else if (ThreadState::Mine().in_callback) {
      result_ = CUDA_ERROR_NOT_PERMITTED;
    } else if (!session_->HasDevice(device)) [[unlikely]] {
      session_ = Process::Get().SessionOfDevice(device);
      result_ = session_ == nullptr ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
    }
  }

  CUresult result() const { return result_; }

  Session& session() const { return *session_; }

  const Device& device() const { return session_->device(device_); }

  // What a call about a device is about; see client-shim/object_scopes.h.
  const Device& object() const { return device(); }

  template <typename Message, typename Reply>
  CUresult Call(const Message& message, Reply* reply) const {
    return session_->Call(0, message, reply);
  }

 private:
  Session* session_;
  const CUdevice device_;
  CUresult result_ = CUDA_SUCCESS;
};

}  // namespace farlane::shim
