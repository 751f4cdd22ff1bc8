// SPDX-License-Identifier: Apache-2.0
// SilentLine is a manager's line to a server behind which nobody listens.
#pragma once

#include "pool-manager/daemon/pool_host.h"

namespace farlane::pool {

// Thread: any.
class SilentLine : public ServerLine {
 public:
  void Say(v1::ToServer /*say*/) override {}

  void End() override {}
};

}  // namespace farlane::pool
