// SPDX-License-Identifier: Apache-2.0
// When a copy to the device reads the program's memory: at the call, unless something unfinished
// before it may still write there. Then the server asks for the bytes when the stream gets there.
#pragma once

#include "client-shim/call_scope.h"
#include "client-shim/linear_copies.h"

namespace farlane::shim {

// Sets `late` if the bytes may not be read at the call. A copy that waits reads them at once, after
// a wait for its stream where that is needed. What is not pinned is read at once as well: nothing
// but this program's own threads writes it.
CUresult ChooseHostRead(const CallScope& scope,
                        CUstream stream,
                        const void* host,
                        uint64_t bytes,
                        Wait wait,
                        bool* late);

}  // namespace farlane::shim
