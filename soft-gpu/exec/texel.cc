// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/texel.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace farlane::soft {
namespace {

constexpr uint32_t kChannels = 4;

template <typename T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

float FromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half >> 15) << 31;
  const uint32_t exponent = half >> 10 & 0x1f;
  const uint32_t fraction = half & 0x3ff;
  if (exponent == 0x1f) {
    return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  }
  if (exponent != 0) {
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  }
  const float tiny = std::ldexp(static_cast<float>(fraction), -24);
  return sign != 0 ? -tiny : tiny;
}

float LinearOfSrgb(float value) {
  return value <= 0.04045f ? value / 12.92f : std::pow((value + 0.055f) / 1.055f, 2.4f);
}

// An integer channel, extended to 32 bits.
uint32_t IntegerOf(ChannelType type, const std::byte* from) {
  switch (type) {
    case ChannelType::kUnsigned8:
      return Load<uint8_t>(from);
    case ChannelType::kUnsigned16:
      return Load<uint16_t>(from);
    case ChannelType::kSigned8:
      return static_cast<uint32_t>(int32_t{Load<int8_t>(from)});
    case ChannelType::kSigned16:
      return static_cast<uint32_t>(int32_t{Load<int16_t>(from)});
    default:
      return Load<uint32_t>(from);
  }
}

float FractionOf(ChannelType type, uint32_t integer) {
  const auto of_signed = static_cast<float>(static_cast<int32_t>(integer));
  switch (type) {
    case ChannelType::kUnsigned8:
      return static_cast<float>(integer) / 255.0f;
    case ChannelType::kUnsigned16:
      return static_cast<float>(integer) / 65535.0f;
    case ChannelType::kSigned8:
      return std::max(of_signed / 127.0f, -1.0f);
    default:
      return std::max(of_signed / 32767.0f, -1.0f);
  }
}

float FloatOf(const Texture& texture, uint32_t channel, const std::byte* from) {
  switch (texture.type) {
    case ChannelType::kFloat:
      return Load<float>(from);
    case ChannelType::kHalf:
      return FromHalf(Load<uint16_t>(from));
    default: {
      const float fraction = FractionOf(texture.type, IntegerOf(texture.type, from));
      return texture.is_srgb && channel < 3 ? LinearOfSrgb(fraction) : fraction;
    }
  }
}

}  // namespace

void TexelValue::AddWeighted(const TexelValue& other, float weight) {
  for (uint32_t i = 0; i < kChannels; ++i) {
    const float sum = std::bit_cast<float>(bits[i]) + std::bit_cast<float>(other.bits[i]) * weight;
    bits[i] = std::bit_cast<uint32_t>(sum);
  }
}

TexelValue ReadTexel(const Texture& texture, const std::byte* texel) {
  TexelValue value;
  const bool floats = texture.gives_floats();
  value.bits[3] = floats ? std::bit_cast<uint32_t>(1.0f) : 1;
  for (uint32_t i = 0; i < std::min<uint32_t>(texture.channels, kChannels); ++i) {
    const std::byte* const from = texel + i * BytesOf(texture.type);
    value.bits[i] =
        floats ? std::bit_cast<uint32_t>(FloatOf(texture, i, from)) : IntegerOf(texture.type, from);
  }
  return value;
}

TexelValue BorderOf(const Texture& texture) {
  TexelValue value;
  for (uint32_t i = 0; i < kChannels; ++i) {
    value.bits[i] = std::bit_cast<uint32_t>(texture.border[i]);
  }
  return value;
}

}  // namespace farlane::soft
