// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/check.h"

#include <cstdlib>

#include "protocol/base/log.h"

namespace farlane {

void CheckFailed(const char* file, int line, const char* what) {
  LogError("%s:%d: a check of our own logic failed: %s", file, line, what);
  abort();
}

}  // namespace farlane
