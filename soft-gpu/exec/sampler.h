// SPDX-License-Identifier: Apache-2.0
// The sampler: from coordinates to a value, by the rules of the programming guide's chapter on
// fetching textures. Weights between texels and levels have 8 bits of fraction, as on a GPU, so
// that what a filter gives is the same to about 1/256 of what lies between the texels.
#pragma once

#include "soft-gpu/exec/texel_memory.h"
#include "soft-gpu/exec/texture.h"
#include "soft-gpu/jit/texture_access.h"

namespace farlane::soft {

// tex and tld4: reads coordinates, layer, level and gradients of `access`, and writes four
// values to its data. What cannot be read is a fault of `memory`.
void SampleTexture(const Texture& texture,
                   const jit::AccessForm& form,
                   TexelMemory* memory,
                   jit::TextureAccess* access);

// txq and suq.
uint32_t QueryTexture(const Texture& texture, jit::TextureQuery query, uint32_t level);

}  // namespace farlane::soft
