// SPDX-License-Identifier: Apache-2.0
#include "client-shim/loss_note.h"

#include <cerrno>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/fd.h"
#include "protocol/base/log.h"

namespace farlane::shim {

void NoteLoss() {
  const std::string path = Environment("FARLANE_LOSS_NOTE").value_or("");
  if (path.empty()) {
    return;
  }
  // Not created: if it is not there any more, nobody looks at it either.
  const Fd note(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  constexpr std::string_view kLine = "lost\n";
  if (!note.valid() || write(note.get(), kLine.data(), kLine.size()) < 0) {
    LogWarn("cannot tell farlane run that the server is lost: %s: error %d", path.c_str(), errno);
  }
}

}  // namespace farlane::shim
