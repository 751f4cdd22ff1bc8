// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/load_call.h"

#include <utility>

#include "soft-gpu/device/stream_clock.h"

namespace farlane::soft {

void MakeLoad(const EngineLoad& load, Work* work) {
  if (load.ns == 0) {
    return;
  }
  work->brief = false;  // its time passes on its stream's thread
  work->run = [load, run = std::move(work->run)] {
    StreamClock* const clock = StreamClock::Current();
    return clock == nullptr ? run() : clock->Spend(load, run);
  };
}

}  // namespace farlane::soft
