// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/standard_descriptors.h"

#include <fcntl.h>

namespace farlane {

StandardDescriptors::StandardDescriptors() {
  for (Fd& held : held_) {
    Fd lowest(open("/dev/null", O_RDWR | O_CLOEXEC));
    if (lowest.get() > STDERR_FILENO) {
      return;  // all three are taken
    }
    held = std::move(lowest);
  }
}

}  // namespace farlane
