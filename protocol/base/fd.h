// SPDX-License-Identifier: Apache-2.0
// Fd owns a file descriptor and closes it. A bare int descriptor elsewhere is borrowed.
#pragma once

#include <utility>

#include <unistd.h>

namespace farlane {

// Thread: caller's.
class Fd {
 public:
  Fd() = default;

  explicit Fd(int fd) : fd_(fd) {}

  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  ~Fd() { Reset(); }

  bool valid() const { return fd_ >= 0; }

  int get() const { return fd_; }

  int Release() { return std::exchange(fd_, -1); }

  void Reset() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }

 private:
  int fd_ = -1;
};

}  // namespace farlane
