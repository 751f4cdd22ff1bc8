// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/sight.h"

#include "pool-manager/api/route_access.h"

namespace farlane::pool {

Sight SightOf(const Call& call) {
  const Caller caller = call.caller;
  return {.may_see =
              [caller](const v1::Session& session) {
                return caller.MayWith(Verb::kSessionRead, ProjectOf(session.spec()),
                                      session.user());
              },
          .cover =
              [caller](v1::Server* server) {
                // What runs there is told to whoever may see all sessions.
                if (caller.ReachFor(Verb::kSessionRead) != Reach::kPool) {
                  server->mutable_load()->clear_sessions();
                }
              }};
}

}  // namespace farlane::pool
