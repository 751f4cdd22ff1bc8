// SPDX-License-Identifier: Apache-2.0
// OutputPipe catches what kernels print: a driver writes that to the standard output of the process
// it lives in, which here is a worker's.
#pragma once

#include "gpu-server/session/outbox.h"
#include "protocol/base/fd.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: any, guarded.
class OutputPipe {
 public:
  // Catches nothing.
  OutputPipe() = default;

  // Puts a pipe in the place of the process's standard output. Once, before other threads use it.
  void Catch();

  // Passes on what was printed so far. Before an answer that says that a kernel is done, so that
  // the client prints in order.
  void Drain(Outbox& outbox);

  // For poll(); -1 when nothing is caught.
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
  Guarded<Fd> reading_;  // guarded so that two readers do not mix up the order
};

}  // namespace farlane::server
