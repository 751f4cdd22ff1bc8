// SPDX-License-Identifier: Apache-2.0
// Mailbox brings the end of a job back to the dispatch thread, which alone may touch the session's
// tables.
#pragma once

#include <functional>
#include <vector>

#include "gpu-server/session/wakeup.h"
#include "protocol/base/guarded.h"

namespace farlane::server {

// Thread: Post any; Run the dispatch thread.
class Mailbox {
 public:
  explicit Mailbox(Wakeup& wakeup) : wakeup_(wakeup) {}

  void Post(std::function<void()> letter) {
    letters_.With([&letter](Letters& letters) { letters.push_back(std::move(letter)); });
    wakeup_.Wake();
  }

  // Does what was posted. True when there was anything.
  bool Run() {
    Letters letters;
    letters_.With([&letters](Letters& posted) { letters.swap(posted); });
    for (const auto& letter : letters) {
      letter();
    }
    return !letters.empty();
  }

 private:
  using Letters = std::vector<std::function<void()>>;

  Wakeup& wakeup_;
  Guarded<Letters> letters_;
};

}  // namespace farlane::server
