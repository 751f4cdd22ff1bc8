// SPDX-License-Identifier: Apache-2.0
// Copies of one run of bytes between the program's memory and the device's, in either direction.
// The caller has made a CallScope and returns what these return; streams, null pointers and ranges
// are checked here.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// Whether a copy returns only when its data has arrived.
enum class Wait : bool { kNo, kYes };

// The program may change its memory when this has returned, unless the memory is pinned and the
// copy does not wait.
CUresult CopyLinear(const CallScope& scope,
                    CUdeviceptr to,
                    const void* from,
                    size_t bytes,
                    CUstream stream,
                    Wait wait);
// Waits for pageable memory whatever `wait` says, as a driver does.
CUresult CopyLinear(
    const CallScope& scope, void* to, CUdeviceptr from, size_t bytes, CUstream stream, Wait wait);
// The addresses tell which side is which.
CUresult CopyLinear(const CallScope& scope,
                    CUdeviceptr to,
                    CUdeviceptr from,
                    size_t bytes,
                    CUstream stream,
                    Wait wait);

// What a call does that names no stream of its own. A copy from one device to the other begins when
// all that the streams of both that heed the default stream have been given is done, and what comes
// later to any stream begins when the copy is done; it returns at once all the same.
CUresult CopyOnDevices(
    const CallScope& scope, CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream);

}  // namespace farlane::shim
