// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/device_view.h"

namespace farlane::pool {

bool MayEnter(const DeviceView& device, Isolation isolation, uint64_t tenant) {
  if ((device.facts.offers & SetOf(isolation)) == 0) {
    return false;
  }
  if (device.sessions == 0) {
    return true;
  }
  if (isolation == Isolation::kExclusive || device.held == Isolation::kExclusive) {
    return false;
  }
  const bool same = device.tenant == tenant && tenant != 0;
  return same || (isolation != Isolation::kTenant && device.held != Isolation::kTenant);
}

}  // namespace farlane::pool
