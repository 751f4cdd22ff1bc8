// SPDX-License-Identifier: Apache-2.0
// MirrorLanes are streams of ours, one per context, on which mirrored memory travels: beside the
// program's work, so that what is fetched never waits for a stream that nobody waited for. Work
// that has to see what was sent waits for it on the device, not here.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "protocol/abi/cuda_abi.h"
#include "protocol/wire/handle.h"

namespace farlane::shim {

class Session;

// Thread: caller's, guarded by MirroredMemory.
class MirrorLanes {
 public:
  explicit MirrorLanes(Session& session) : session_(session) {}

  // The stream of a context's lane; 0 when there are too many streams or events.
  wire::Handle StreamOf(wire::Handle context);
  // Something was posted on the lane that later work has to see.
  void NoteSent(wire::Handle context);
  // Has the stream, which may be another lane, wait for all that was sent so far, once.
  void Order(wire::Handle context, wire::Handle stream);
  // Waits until all that was posted on the context's lane is done.
  CUresult Wait(wire::Handle context);
  // All that was posted on the context's lane is known to be done.
  void NoteWaited(wire::Handle context);

 private:
  struct Lane {
    wire::Handle stream = 0;
    wire::Handle event = 0;
    bool pending = false;  // the event marks what may still be under way
    std::set<std::pair<wire::Handle, wire::Handle>> ordered;  // context and stream
  };

  Session& session_;
  std::map<wire::Handle, Lane> lanes_;  // by context
};

}  // namespace farlane::shim
