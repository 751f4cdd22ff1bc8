// SPDX-License-Identifier: Apache-2.0
// What reaches over two servers of one program: copies from the memory of one to that of the other,
// which go through the program, and a stream of one that waits for an event of the other. Servers
// know nothing of each other. Each function is false where nothing reaches over; then the call is
// like any other.
#pragma once

#include "client-shim/linear_copies.h"
#include "protocol/abi/cuda_abi.h"

namespace farlane::shim {

// In the order of `stream`. A copy between the program's memory and a device that is not of the
// stream's server waits until it is done, whatever `wait` says.
bool CopyAcross(
    CUdeviceptr to, CUdeviceptr from, uint64_t bytes, CUstream stream, Wait wait, CUresult* result);
bool CopyAcross(
    CUdeviceptr to, const void* from, uint64_t bytes, CUstream stream, Wait wait, CUresult* result);
bool CopyAcross(
    void* to, CUdeviceptr from, uint64_t bytes, CUstream stream, Wait wait, CUresult* result);

// The stream waits for what the event marks now; the call does not.
bool WaitAcross(CUstream stream, CUevent event, unsigned int flags, CUresult* result);

// Kernels of one never reach the memory of the other.
bool AskPeersAcross(CUdevice device, CUdevice peer, int* answer, CUresult* result);
bool OpenPeerAcross(CUcontext peer, CUresult* result);
bool ClosePeerAcross(CUcontext peer, CUresult* result);

}  // namespace farlane::shim
