// SPDX-License-Identifier: Apache-2.0
// Posts in which the program's process has a part: its functions, and copies of its memory that a
// graph makes.
#pragma once

#include <functional>

#include "client-shim/call_scope.h"
#include "client-shim/host_calls.h"

namespace farlane::shim {

CUresult LaunchHostFunction(const CallScope& scope, CUstream stream, CUhostFn function, void* data);
CUresult AddStreamCallback(const CallScope& scope,
                           CUstream stream,
                           CUstreamCallback callback,
                           void* data);
// What concerns another server, done when the stream comes to it, in a thread of its own.
CUresult LaunchBridge(const CallScope& scope, CUstream stream, std::function<CUresult()> bridge);

// A copy between host and device on a stream that a graph records: true when it was taken, or may
// not be; `result` is then the call's. The graph looks at the host's memory at each launch.
bool TakeCopyIntoCapture(const CallScope& scope,
                         CUstream stream,
                         HostCall::Kind kind,
                         void* host,
                         const CopyPlace& device,
                         const RowShape& shape,
                         CUresult* result);

// The same between two places of the host's memory, whose rows are `host_pitch` apart where they go
// and `device_pitch` where they come from.
bool TakeMoveIntoCapture(const CallScope& scope,
                         CUstream stream,
                         void* to,
                         const void* from,
                         const RowShape& shape,
                         CUresult* result);

}  // namespace farlane::shim
