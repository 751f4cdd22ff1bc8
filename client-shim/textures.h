// SPDX-License-Identifier: Apache-2.0
// Texture and surface objects. Kernels are given their numbers among their parameters, where nobody
// looks, so the numbers are the driver's own and are asked for; questions about an object are
// answered from what the program said of it. The caller has made a CallScope and returns what these
// return.
#pragma once

#include "client-shim/call_scope.h"

namespace farlane::shim {

CUresult CreateTexture(const CallScope& scope,
                       const CUDA_RESOURCE_DESC& resource,
                       const CUDA_TEXTURE_DESC& texture,
                       const CUDA_RESOURCE_VIEW_DESC* view_or_null,
                       uint64_t* object);
CUresult DestroyTexture(const CallScope& scope, CUtexObject object);
CUresult DescribeTexture(const CallScope& scope, CUtexObject object, CUDA_RESOURCE_DESC* resource);
CUresult DescribeTexture(const CallScope& scope, CUtexObject object, CUDA_TEXTURE_DESC* texture);
// All zeros for a texture that was made without a view.
CUresult DescribeTexture(const CallScope& scope, CUtexObject object, CUDA_RESOURCE_VIEW_DESC* view);

CUresult CreateSurface(const CallScope& scope,
                       const CUDA_RESOURCE_DESC& resource,
                       uint64_t* object);
CUresult DestroySurface(const CallScope& scope, CUsurfObject object);
CUresult DescribeSurface(const CallScope& scope, CUsurfObject object, CUDA_RESOURCE_DESC* resource);

// What the client kept of the objects of a context that is gone.
void ForgetTextures(Session& session, wire::Handle context);

}  // namespace farlane::shim
