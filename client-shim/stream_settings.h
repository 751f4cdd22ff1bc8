// SPDX-License-Identifier: Apache-2.0
// What a program sets and asks of a stream after it was made. A setting is sent to the server's
// driver, which alone knows what to make of it, and kept here to be asked back. The caller has made
// a CallScope and returns what these return.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// The driver brings a priority outside the device's range to its nearest end; smaller numbers are
// more urgent.
int32_t InRange(const CallScope& scope, int32_t priority);

CUresult TellStreamAttribute(const CallScope& scope,
                             CUstream stream,
                             CUstreamAttrID id,
                             CUstreamAttrValue* value);
CUresult SetStreamAttribute(const CallScope& scope,
                            CUstream stream,
                            CUstreamAttrID id,
                            const CUstreamAttrValue* value);
CUresult CopyStreamAttributes(const CallScope& scope, CUstream to, CUstream from);

}  // namespace farlane::shim
