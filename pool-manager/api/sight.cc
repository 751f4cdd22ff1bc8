// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/api/sight.h"

namespace farlane::pool {

Sight SightOf(const Call& /*call*/) {
  return {};
}

}  // namespace farlane::pool
