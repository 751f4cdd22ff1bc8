// SPDX-License-Identifier: Apache-2.0
// Host memory that is mapped for the device: memory of the device with the same content stands for
// it there. Memory that is allocated pinned lies at one address on both sides, and is mapped when
// it is allocated, if the program asks for that, or when a kernel is first given its address.
// Memory that is only registered has another address on the device.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

// Pinned memory. What the flags ask to be mapped the device uses by the same address, and it costs
// as much memory of the device.
CUresult AllocateHost(const CallScope& scope, uint64_t bytes, uint32_t flags, void** pointer);

// Pages that both sides use by one address.
CUresult AllocateMirrored(const CallScope& scope,
                          MirrorKind kind,
                          uint64_t bytes,
                          CUdeviceptr* address);

// The device's address of pinned memory, which is mapped now if it was not. INVALID_VALUE for
// memory that is not pinned.
CUresult MapHost(const CallScope& scope, const void* pointer, CUdeviceptr* address);

// Before a kernel is launched: maps the pinned memory that its parameters point into. Pointers that
// lie in memory are not seen.
CUresult MapNamed(const CallScope& scope, ConstBytes parameters);

// Forgets the device's side of a range that is no longer pinned, and its pages if they are ours.
void DiscardHost(Session& session, const PinnedRange& range);

}  // namespace farlane::shim
