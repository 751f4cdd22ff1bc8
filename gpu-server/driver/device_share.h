// SPDX-License-Identifier: Apache-2.0
// DeviceShare is a file without a name that all workers of a daemon can open. A driver whose
// devices are made of memory, as the software GPU's are, keeps them there, so that the workers
// share devices as they would share real ones. Other drivers do not look at it.
#pragma once

#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace farlane::server {

// Makes the file and says in the environment where it is, for drivers that this process and its
// children load. It is there for as long as the descriptor is open. A place that the environment
// names already stays, and no descriptor is needed.
// `former`: the file of another daemon whose workers live; invalid without.
Result<Fd> OfferDeviceShare(Fd former = Fd());

// The file that the environment names, for a worker that hands it on; invalid if there is none.
Fd OpenDeviceShare();

}  // namespace farlane::server
