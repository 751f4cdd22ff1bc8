// SPDX-License-Identifier: Apache-2.0
// Copies of two and three dimensions, as the driver's own structs describe them. The caller has
// made a CallScope and returns what these return; everything in the description is checked here.
#pragma once

#include "client-shim/linear_copies.h"

namespace farlane::shim {

CUresult CopyBox(const CallScope& scope, const CUDA_MEMCPY2D& copy, CUstream stream, Wait wait);
CUresult CopyBox(const CallScope& scope, const CUDA_MEMCPY3D& copy, CUstream stream, Wait wait);
// Between contexts, which only have to be there: addresses mean the same in all of them.
CUresult CopyBox(const CallScope& scope,
                 const CUDA_MEMCPY3D_PEER& copy,
                 CUstream stream,
                 Wait wait);

// A byte in the first row of an array, which runs of bytes are copied to and from.
struct ArrayPlace {
  CUarray array;
  size_t offset;
};

CUresult CopyIntoArray(const CallScope& scope,
                       const ArrayPlace& to,
                       const void* from,
                       size_t bytes,
                       CUstream stream,
                       Wait wait);
CUresult CopyIntoArray(
    const CallScope& scope, const ArrayPlace& to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult CopyOutOfArray(const CallScope& scope,
                        void* to,
                        const ArrayPlace& from,
                        size_t bytes,
                        CUstream stream,
                        Wait wait);
CUresult CopyOutOfArray(
    const CallScope& scope, CUdeviceptr to, const ArrayPlace& from, size_t bytes, CUstream stream);
CUresult CopyBetweenArrays(const CallScope& scope,
                           const ArrayPlace& to,
                           const ArrayPlace& from,
                           size_t bytes,
                           CUstream stream);

}  // namespace farlane::shim
