// SPDX-License-Identifier: Apache-2.0
// Reading, writing and reducing elements of a surface: bytes as they lie there, addressed by bytes
// in a row, rows and slices. Outside of the surface an access faults, goes to the nearest element,
// or is none, as the instruction says.
#pragma once

#include "soft-gpu/exec/texel_memory.h"
#include "soft-gpu/exec/texture.h"
#include "soft-gpu/jit/texture_access.h"

namespace farlane::soft {

// suld, sust and sured. What cannot be done is a fault of `memory`.
void AccessSurface(const Texture& surface,
                   const jit::AccessForm& form,
                   TexelMemory* memory,
                   jit::TextureAccess* access);

}  // namespace farlane::soft
