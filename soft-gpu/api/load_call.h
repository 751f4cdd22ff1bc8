// SPDX-License-Identifier: Apache-2.0
// What work costs where the device is modelled: bodies say so before they submit it.
#pragma once

#include "soft-gpu/api/call.h"
#include "soft-gpu/device/device_model.h"

namespace farlane::soft {

// Makes work a load for an engine; only where there is a model, which has said how large it is.
void MakeLoad(const EngineLoad& load, Work* work);

}  // namespace farlane::soft
