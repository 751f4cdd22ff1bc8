// SPDX-License-Identifier: Apache-2.0
// Arrays: the server's driver makes them, because only it knows how texels lie; what the program
// asks about one is answered from its descriptor. The caller has made a CallScope, which knows the
// handles, and returns what these return.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

CUresult CreateArray(const CallScope& scope,
                     const CUDA_ARRAY_DESCRIPTOR& descriptor,
                     uint64_t* handle);
CUresult CreateArray(const CallScope& scope,
                     const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
                     uint64_t* handle);
CUresult CreateMipmappedArray(const CallScope& scope,
                              const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
                              uint32_t levels,
                              uint64_t* handle);
// The same handle each time.
CUresult LevelOfArray(const CallScope& scope,
                      CUmipmappedArray mipmapped,
                      uint32_t level,
                      uint64_t* handle);
CUresult DescribeArray(const CallScope& scope, CUarray array, CUDA_ARRAY_DESCRIPTOR* descriptor);
CUresult DescribeArray(const CallScope& scope, CUarray array, CUDA_ARRAY3D_DESCRIPTOR* descriptor);
CUresult DestroyArray(const CallScope& scope, CUarray array);
CUresult DestroyMipmappedArray(const CallScope& scope, CUmipmappedArray mipmapped);

// What the client kept of the arrays of a context that is gone.
void ForgetArrays(Session& session, wire::Handle context);

}  // namespace farlane::shim
