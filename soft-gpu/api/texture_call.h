// SPDX-License-Identifier: Apache-2.0
// What calls about textures share, of objects and of references.
#pragma once

#include "soft-gpu/api/call.h"

namespace farlane::soft {

// What kernels of the call's device see of a texture or surface, or why there is none.
CUresult DescribeIn(const ContextCall& call, const TextureObject& object, Texture* texture);

}  // namespace farlane::soft
