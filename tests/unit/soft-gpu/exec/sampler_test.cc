// SPDX-License-Identifier: Apache-2.0
// The sampler against the programming guide's formulas in double precision, and what the guide says
// of types, layers, levels and edges.
#include "soft-gpu/exec/sampler.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "tests/support/texture_model.h"
#include "tests/unit/soft-gpu/exec/test_device.h"

namespace farlane::soft {
namespace {

using jit::AccessForm;
using jit::TextureAccess;
using texture_model::Mode;
using texture_model::Model;

constexpr AddressMode kModes[] = {AddressMode::kWrap, AddressMode::kClamp, AddressMode::kMirror,
                                  AddressMode::kBorder};
constexpr Mode kModelModes[] = {Mode::kWrap, Mode::kClamp, Mode::kMirror, Mode::kBorder};

// Texels of T in the test's device memory, row by row.
template <typename T>
Texture TextureOf(const std::vector<T>& texels, uint32_t width, uint32_t height, uint32_t depth) {
  T* const memory = TestDevice::Instance().New<T>(texels.size());
  std::copy(texels.begin(), texels.end(), memory);
  Texture texture;
  texture.dimensions = depth > 1 ? 3 : height > 1 ? 2 : 1;
  texture.images[0] = {reinterpret_cast<uint64_t>(memory),
                       width * sizeof(T),
                       uint64_t{width} * height * sizeof(T),
                       width,
                       height,
                       depth};
  return texture;
}

TextureAccess At(float x, float y = 0, float z = 0) {
  TextureAccess access{};
  access.coordinates[0] = std::bit_cast<uint32_t>(x);
  access.coordinates[1] = std::bit_cast<uint32_t>(y);
  access.coordinates[2] = std::bit_cast<uint32_t>(z);
  return access;
}

// Samples; no fault is expected.
TextureAccess Sampled(const Texture& texture, TextureAccess access, const AccessForm& form = {}) {
  const DeviceWindow window = CurrentDeviceWindow();
  TexelMemory memory(window);
  SampleTexture(texture, form, &memory, &access);
  EXPECT_FALSE(memory.fault().happened);
  return access;
}

float Value(const TextureAccess& access, int channel = 0) {
  return std::bit_cast<float>(access.data[channel]);
}

float ValueAt(const Texture& texture, float x, float y = 0, float z = 0) {
  return Value(Sampled(texture, At(x, y, z)));
}

std::vector<float> RandomTexels(std::mt19937* random, size_t count) {
  std::uniform_real_distribution<float> reals(-1, 1);
  std::vector<float> texels(count);
  for (float& texel : texels) {
    texel = reals(*random);
  }
  return texels;
}

class SamplerAgainstModel : public testing::TestWithParam<int> {};

TEST_P(SamplerAgainstModel, GivesWhatTheFormulasGive) {
  const int variant = GetParam();
  const int dimensions = variant / 16 + 1;
  const int mode = variant / 4 % 4;
  std::mt19937 random(static_cast<unsigned>(variant));
  const uint32_t size[3] = {11, dimensions > 1 ? 7u : 1u, dimensions > 2 ? 5u : 1u};
  const std::vector<float> texels = RandomTexels(&random, size[0] * size[1] * size[2]);
  Texture texture = TextureOf(texels, size[0], size[1], size[2]);
  Model model;
  model.texels.assign(texels.begin(), texels.end());
  model.dimensions = dimensions;
  texture.filters = model.linear = (variant & 1) != 0;
  texture.is_normalized = model.normalized = (variant & 2) != 0;
  for (int axis = 0; axis < 3; ++axis) {
    texture.modes[axis] = kModes[mode];
    model.mode[axis] = kModelModes[mode];
    model.size[axis] = static_cast<int>(size[axis]);
    texture.border[0] = 0.5f;
  }
  model.border = 0.5;
  std::uniform_real_distribution<float> reals(-2.5, 3.5);
  for (int i = 0; i < 2000; ++i) {
    float at[3];
    for (int axis = 0; axis < 3; ++axis) {
      const float texel = model.normalized ? 1.0f : static_cast<float>(size[axis]);
      at[axis] = reals(random) * texel;
    }
    ASSERT_NEAR(ValueAt(texture, at[0], at[1], at[2]),
                texture_model::Sample(model, at[0], at[1], at[2]), 1e-6)
        << at[0] << ' ' << at[1] << ' ' << at[2];
  }
}

INSTANTIATE_TEST_SUITE_P(DimensionsModesFiltersCoordinates,
                         SamplerAgainstModel,
                         testing::Range(0, 48));

TEST(Sampler, WeightsHaveEightBitsOfFraction) {
  Texture texture = TextureOf<float>({0, 1}, 2, 1, 1);
  texture.filters = true;
  texture.modes[0] = AddressMode::kClamp;
  EXPECT_EQ(ValueAt(texture, 0.5f + 100.0f / 256), 100.0f / 256);
  EXPECT_EQ(ValueAt(texture, 0.5f + 100.3f / 256), 100.0f / 256);
  EXPECT_EQ(ValueAt(texture, 0.5f + 100.7f / 256), 101.0f / 256);
  EXPECT_EQ(ValueAt(texture, 1.5f), 1.0f);
}

TEST(Sampler, EveryCoordinateIsSomewhere) {
  Texture texture = TextureOf<float>({1, 2, 3}, 3, 1, 1);
  const float infinity = std::numeric_limits<float>::infinity();
  for (const AddressMode mode : kModes) {
    for (const bool fractions : {false, true}) {
      texture.modes[0] = mode;
      texture.is_normalized = fractions;
      texture.border[0] = 2.5f;
      for (const float x : {infinity, -infinity, std::nanf(""), 1e30f, -1e30f, -0.0f, 1e-40f}) {
        const float value = ValueAt(texture, x);
        EXPECT_GE(value, 1);
        EXPECT_LE(value, 3);
      }
    }
  }
}

// An infinite texel that has no weight does not make a NaN of its neighbour.
TEST(Sampler, TexelsWithoutWeightDoNotCount) {
  Texture texture = TextureOf<float>({4, std::numeric_limits<float>::infinity()}, 2, 1, 1);
  texture.filters = true;
  texture.modes[0] = AddressMode::kClamp;
  EXPECT_EQ(ValueAt(texture, 0.5f), 4);
}

TEST(Sampler, IntegersAreExtendedBySign) {
  Texture texture = TextureOf<int8_t>({-3, 5}, 2, 1, 1);
  texture.type = ChannelType::kSigned8;
  EXPECT_EQ(Sampled(texture, At(0.5f)).data[0], static_cast<uint32_t>(-3));
  texture.type = ChannelType::kUnsigned8;
  EXPECT_EQ(Sampled(texture, At(0.5f)).data[0], 253u);
}

TEST(Sampler, FractionsReachFromMinusOneToOne) {
  Texture texture = TextureOf<int16_t>({-32768, -32767, 0, 32767}, 4, 1, 1);
  texture.type = ChannelType::kSigned16;
  texture.reads_fraction = true;
  EXPECT_EQ(ValueAt(texture, 0.5f), -1);
  EXPECT_EQ(ValueAt(texture, 1.5f), -1);
  EXPECT_EQ(ValueAt(texture, 2.5f), 0);
  EXPECT_EQ(ValueAt(texture, 3.5f), 1);
}

TEST(Sampler, HalvesAreWhatTheyAre) {
  Texture texture = TextureOf<uint16_t>({0x3c00, 0x0001, 0xfbff, 0xfc00, 0x7e00}, 5, 1, 1);
  texture.type = ChannelType::kHalf;
  EXPECT_EQ(ValueAt(texture, 0.5f), 1);
  EXPECT_EQ(ValueAt(texture, 1.5f), std::ldexp(1.0f, -24));
  EXPECT_EQ(ValueAt(texture, 2.5f), -65504);
  EXPECT_EQ(ValueAt(texture, 3.5f), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(ValueAt(texture, 4.5f)));
}

TEST(Sampler, SrgbBecomesLinearButForTheLastChannel) {
  Texture texture = TextureOf<uint8_t>({188, 10, 0, 188}, 1, 1, 1);
  texture.type = ChannelType::kUnsigned8;
  texture.channels = 4;
  texture.reads_fraction = true;
  texture.is_srgb = true;
  const TextureAccess access = Sampled(texture, At(0.5f));
  EXPECT_NEAR(Value(access, 0), 0.5029, 1e-3);
  EXPECT_NEAR(Value(access, 1), 10 / 255.0 / 12.92, 1e-6);
  EXPECT_EQ(Value(access, 2), 0);
  EXPECT_FLOAT_EQ(Value(access, 3), 188 / 255.0f);
}

TEST(Sampler, PlainMemoryHasZerosAround) {
  Texture texture = TextureOf<float>({7, 8, 9}, 3, 1, 1);
  texture.is_linear = true;
  AccessForm form;
  form.integer_coordinates = true;
  for (const int32_t x : {-2147483647 - 1, -1, 0, 2, 3, 2147483647}) {
    TextureAccess access{};
    access.coordinates[0] = static_cast<uint32_t>(x);
    const float wanted = x == 0 ? 7 : x == 2 ? 9 : 0;
    EXPECT_EQ(Value(Sampled(texture, access, form)), wanted) << x;
  }
}

TEST(Sampler, LayersEndAtTheLastOne) {
  Texture texture = TextureOf<float>({1, 2, 3}, 1, 1, 3);
  texture.dimensions = 1;
  texture.is_layered = true;
  for (const uint32_t layer : {0u, 1u, 2u, 3u, 0xffffffffu}) {
    TextureAccess access = At(0.5f);
    access.layer = layer;
    EXPECT_EQ(Value(Sampled(texture, access)), static_cast<float>(std::min(layer, 2u) + 1));
  }
}

TEST(Sampler, LevelsAreChosenBiasedAndMixed) {
  Texture texture = TextureOf<float>({10, 10, 10, 10}, 4, 1, 1);
  texture.images[1] = TextureOf<float>({20, 20}, 2, 1, 1).images[0];
  texture.images[2] = TextureOf<float>({30}, 1, 1, 1).images[0];
  texture.levels = 3;
  texture.is_normalized = true;
  texture.level_max = 10;
  AccessForm form;
  form.detail = jit::TextureDetail::kLevel;
  const auto at_level = [&](float level) {
    TextureAccess access = At(0.5f);
    access.level = std::bit_cast<uint32_t>(level);
    return Value(Sampled(texture, access, form));
  };
  EXPECT_EQ(at_level(0.4f), 10);
  EXPECT_EQ(at_level(0.6f), 20);
  EXPECT_EQ(at_level(7), 30);
  EXPECT_EQ(at_level(-7), 10);
  EXPECT_EQ(at_level(std::nanf("")), 10);
  texture.filters_levels = true;
  EXPECT_EQ(at_level(0.25f), 12.5f);
  EXPECT_EQ(at_level(1.75f), 27.5f);
  texture.level_bias = 0.5f;
  EXPECT_EQ(at_level(0.25f), 17.5f);
  texture.level_min = 1;
  texture.level_max = 1.5f;
  EXPECT_EQ(at_level(-1), 20);
  EXPECT_EQ(at_level(5), 25);
  texture.level_bias = 0;
  texture.level_min = 0;
  texture.level_max = 2;
  form.detail = jit::TextureDetail::kGradient;
  TextureAccess access = At(0.5f);
  access.gradients[0] = std::bit_cast<uint32_t>(0.5f);  // two of four texels: level 1
  EXPECT_EQ(Value(Sampled(texture, access, form)), 20);
}

TEST(Sampler, AnotherWindowIsNotRead) {
  Texture texture = TextureOf<float>({1}, 1, 1, 1);
  float elsewhere = 5;
  texture.images[0].base = reinterpret_cast<uint64_t>(&elsewhere);
  const DeviceWindow window = CurrentDeviceWindow();
  TexelMemory memory(window);
  TextureAccess access = At(0.5f);

  SampleTexture(texture, {}, &memory, &access);

  EXPECT_TRUE(memory.fault().happened);
  EXPECT_EQ(memory.fault().address, texture.images[0].base);
  EXPECT_EQ(access.data[0], 0u);
}

}  // namespace
}  // namespace farlane::soft
