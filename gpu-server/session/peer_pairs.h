// SPDX-License-Identifier: Apache-2.0
// PeerPairs knows which context of the client was given access to whose memory. Memory of arenas is
// opened to whole devices, so it stays open until the last such pair of the two devices has gone.
#pragma once

#include <functional>
#include <set>
#include <utility>

#include "gpu-server/session/context_state.h"

namespace farlane::server {

// Thread: the dispatch thread.
class PeerPairs {
 public:
  // Accessor first. False if the pair was there, or was not there to be removed.
  bool Add(const ContextPtr& accessor, const ContextPtr& peer) {
    return pairs_.emplace(accessor, peer).second;
  }

  bool Remove(const ContextPtr& accessor, const ContextPtr& peer) {
    return pairs_.erase({accessor, peer}) != 0;
  }

  bool Has(const ContextPtr& accessor, const ContextPtr& peer) const {
    return pairs_.count({accessor, peer}) != 0;
  }

  // Removes all pairs of a context; `closed` hears of each.
  void RemoveAllOf(const ContextPtr& context,
                   const std::function<void(const ContextPtr&, const ContextPtr&)>& closed) {
    std::erase_if(pairs_, [&](const auto& pair) {
      if (pair.first != context && pair.second != context) {
        return false;
      }
      closed(pair.first, pair.second);
      return true;
    });
  }

 private:
  std::set<std::pair<ContextPtr, ContextPtr>> pairs_;  // shared with the session's table
};

}  // namespace farlane::server
