// SPDX-License-Identifier: Apache-2.0
// What all copying and filling calls have in common: which side is whose memory, and whether the
// call waits.
#pragma once

#include "protocol/abi/array_shape.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/device/copy.h"

namespace farlane::soft {

// When the call returns: a synchronous copy is over by then; an asynchronous one has at least read
// or written all memory of the program that no device knows about, as the manual promises.
enum class CopyWait { kSynchronous, kAsynchronous };

// Device memory; an address that is not is refused when the copy is submitted.
Side DeviceSide(CUdeviceptr address);
// Memory of the program, which may be pinned.
Side HostSide(const ContextCall& call, const void* pointer);
// Whichever of both the address belongs to.
Side AnySide(const ContextCall& call, CUdeviceptr address);
// A box in an array, or in a level of one.
CUresult ArraySide(const ContextCall& call, CUarray array, const abi::ArrayBox& box, Side* side);

CUresult SubmitCopy(const ContextCall& call,
                    CUstream stream,
                    const CopyRequest& request,
                    CopyWait wait);
// Fills are asynchronous, but for memory of the host.
CUresult SubmitFill(const ContextCall& call,
                    CUstream stream,
                    const FillRequest& request,
                    CopyWait wait);

}  // namespace farlane::soft
