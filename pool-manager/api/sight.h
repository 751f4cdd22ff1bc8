// SPDX-License-Identifier: Apache-2.0
// Sight is what of the pool the one who asks is shown. Every list, every watch and every single
// session or server that is told goes through it: who is to see less is to be thought of here, and
// nowhere else.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pool-manager/api/route.h"
#include "protocol/control/pool.pb.h"

namespace farlane::pool {

// Its functions outlive the call: they hold what they need of it.
// Thread: any; it does not change.
struct Sight {
  // Of sessions, also of those that wait; empty: all are shown.
  std::function<bool(const v1::Session&)> may_see{};
  // Takes out of a server what is not to be told; empty: nothing is.
  std::function<void(v1::Server*)> cover{};

  bool Shows(const v1::Session& session) const { return may_see == nullptr || may_see(session); }

  void Cover(v1::Server* server) const {
    if (cover != nullptr) {
      cover(server);
    }
  }
};

// Of the one who asks: everybody who may ask at all is shown everything.
Sight SightOf(const Call& call);

}  // namespace farlane::pool
