// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/memory/credit_source.h"

#include "protocol/base/check.h"

namespace farlane::server {

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this != &other) {
    ShrinkTo(0);
    source_ = std::exchange(other.source_, nullptr);
    device_ = other.device_;
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

void Reservation::Absorb(Reservation other) {
  if (other.bytes_ == 0) {
    return;
  }
  FARLANE_CHECK(bytes_ == 0 || (source_ == other.source_ && device_ == other.device_));
  source_ = other.source_;
  device_ = other.device_;
  bytes_ += std::exchange(other.bytes_, 0);
}

void Reservation::ShrinkTo(uint64_t bytes) {
  if (bytes < bytes_) {
    source_->Return(device_, bytes_ - bytes);
    bytes_ = bytes;
  }
}

}  // namespace farlane::server
