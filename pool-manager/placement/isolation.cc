// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/isolation.h"

namespace farlane::pool {

const char* IsolationName(Isolation isolation) {
  switch (isolation) {
    case Isolation::kShared:
      return "shared";
    case Isolation::kScrubbed:
      return "scrubbed";
    case Isolation::kTenant:
      return "tenant";
    case Isolation::kExclusive:
      return "exclusive";
    case Isolation::kMig:
      return "mig";
  }
  return "shared";
}

}  // namespace farlane::pool
