// SPDX-License-Identifier: Apache-2.0
// Which atomic operations one device can do on the memory of another: what the server's driver
// says of two devices of one server, and none from server to server.
#pragma once

#include "client-shim/device_scope.h"

namespace farlane::shim {

CUresult AskPeerAtomics(const DeviceScope& source,
                        CUdevice target,
                        const CUatomicOperation* operations,
                        unsigned int count,
                        unsigned int* capabilities);

}  // namespace farlane::shim
