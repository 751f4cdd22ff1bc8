// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/decision.h"

namespace farlane::pool {

Grant GrantOf(const std::string& session, const Request& request, const Decision& decision) {
  Grant grant{.session = session,
              .tenant = request.tenant,
              .group = request.group,
              .share = request.GuaranteedShare(),
              .memory_bytes = request.memory_bytes,
              .memory_limit_bytes = request.MemoryLimit(),
              .isolation = request.isolation};
  grant.busy = request.profile.busy.mean;
  grant.working_set_bytes = request.profile.working_set_bytes.mean;
  grant.bytes_per_s = request.profile.bytes_per_gpu_s.mean * request.profile.busy.mean;
  if (decision.placed) {
    for (const ChosenServer& chosen : decision.chosen().servers) {
      grant.devices.insert(grant.devices.end(), chosen.devices.begin(), chosen.devices.end());
    }
  }
  return grant;
}

}  // namespace farlane::pool
