// SPDX-License-Identifier: Apache-2.0
// OutputPipe catches what kernels print and what their failed assertions say: a driver writes that
// to the standard descriptors of the process it lives in, which here is a worker's.
#pragma once

#include <array>

#include "gpu-server/session/outbox.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any, guarded.
class OutputPipe {
 public:
  static constexpr size_t kDescriptors = 2;  // standard output and standard error

  // Catches nothing.
  OutputPipe() = default;

  // Puts pipes in the place of the process's standard output and error; its log goes on to where
  // its standard error led. Once, before other threads use it.
  void Catch();

  // Gives what was printed so far to the log: it is the driver's own, from before there was a
  // client.
  void DrainToLog();

  // Passes on what was printed so far. Before an answer that says that a kernel is done, so that
  // the client prints in order.
  void Drain(Outbox& outbox);

  // For poll(); -1 where nothing is caught.
  const std::array<int, kDescriptors>& fds() const { return fds_; }

 private:
  struct Ends {
    std::array<Fd, kDescriptors> reading;
  };

  bool HasText() const;

  std::array<int, kDescriptors> fds_ = {-1, -1};
  Guarded<Ends> ends_;  // guarded so that two readers do not mix up the order
};

}  // namespace farlane::server
