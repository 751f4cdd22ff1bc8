// SPDX-License-Identifier: Apache-2.0
// Host memory that is mapped for the device: memory of the device with the same content stands for
// it there. Memory that is allocated to be mapped lies at one address on both sides; what is mapped
// later has another address on the device.
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

// Forgets the device's side of a range that is no longer pinned, and its pages if they are ours.
void UnmapHost(Session& session, const PinnedRange& range);

}  // namespace farlane::shim
