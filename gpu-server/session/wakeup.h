// SPDX-License-Identifier: Apache-2.0
// Wakeup gets the dispatch thread out of its sleep from any other thread.
#pragma once

#include "protocol/base/fd.h"

namespace farlane::server {

// Thread: any.
class Wakeup {
 public:
  Wakeup();

  void Wake();
  // Forgets all calls of Wake so far.
  void Clear();

  // For poll(): readable after Wake, until Clear.
  int fd() const { return event_.get(); }

 private:
  Fd event_;
};

}  // namespace farlane::server
