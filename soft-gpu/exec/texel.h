// SPDX-License-Identifier: Apache-2.0
// What one texel is worth: its bytes as the four values that an instruction gets, by the texture's
// type and reading mode.
#pragma once

#include <cstddef>
#include <cstdint>

#include "soft-gpu/exec/texture.h"

namespace farlane::soft {

// Four channels: floats by their bits where the texture gives floats, else integers of 32 bits.
// Thread: caller's.
struct TexelValue {
  uint32_t bits[4] = {0, 0, 0, 0};

  // Of floats: adds another, multiplied.
  void AddWeighted(const TexelValue& other, float weight);
};

// Reads `texture.texel_bytes()` bytes. A channel that the texel has not is 0, the last of the four
// is 1.
TexelValue ReadTexel(const Texture& texture, const std::byte* texel);

// What lies outside of a texture whose mode is a border.
TexelValue BorderOf(const Texture& texture);

}  // namespace farlane::soft
