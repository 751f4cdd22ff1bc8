// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/verb.h"

#include "protocol/base/log.h"

namespace farlane::cli {

int Fail(const Status& why) {
  LogError("%s", why.message().c_str());
  return kExitFarlane;
}

}  // namespace farlane::cli
