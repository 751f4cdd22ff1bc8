// SPDX-License-Identifier: Apache-2.0
// Questions about clusters of thread blocks, which only the server's driver can answer. The same
// launch is asked about once.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// How many clusters of this launch fit on the device at once.
CUresult ActiveClusters(const CallScope& scope,
                        CUfunction function,
                        const CUlaunchConfig* config,
                        uint64_t* clusters);
// How many blocks a cluster of this launch may have at most.
CUresult LargestCluster(const CallScope& scope,
                        CUfunction function,
                        const CUlaunchConfig* config,
                        uint64_t* blocks);

}  // namespace farlane::shim
