// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

#include "soft-gpu/exec/texel.h"

namespace farlane::soft {
namespace {

using jit::TextureAccess;
using jit::TextureDetail;
using jit::TextureGeometry;
using jit::TextureQuery;

constexpr uint32_t kFaces = 6;
constexpr float kWeightSteps = 256;  // a weight has 8 bits behind the point, and can be 1
// Beyond every texel, and small enough to be computed with.
constexpr double kCoordinateMax = 1ull << 40;
constexpr int64_t kBorder = -1;

// A coordinate along one axis of an image: the two texels it lies between, and how far it is from
// the first to the second.
struct Between {
  int64_t first = 0;
  int64_t second = 0;
  float weight = 0;
};

// Where in an image, in texels; integers where the coordinates were.
struct Position {
  double at[3] = {0, 0, 0};
  uint32_t slice = 0;  // the layer or face
};

double Bounded(double value) {
  return std::isnan(value) ? 0 : std::clamp(value, -kCoordinateMax, kCoordinateMax);
}

int64_t Addressed(AddressMode mode, int64_t index, int64_t size) {
  if (index >= 0 && index < size) {
    return index;
  }
  switch (mode) {
    case AddressMode::kWrap:
      return (index % size + size) % size;
    case AddressMode::kMirror: {
      const int64_t in_period = (index % (2 * size) + 2 * size) % (2 * size);
      return in_period < size ? in_period : 2 * size - 1 - in_period;
    }
    case AddressMode::kBorder:
      return kBorder;
    default:
      return std::clamp<int64_t>(index, 0, size - 1);
  }
}

// Only fractions of a whole can repeat.
AddressMode ModeOf(const Texture& texture, int axis, bool integers) {
  const AddressMode mode = texture.is_cube ? AddressMode::kClamp : texture.modes[axis];
  const bool repeats = mode == AddressMode::kWrap || mode == AddressMode::kMirror;
  return repeats && (integers || !texture.is_normalized) ? AddressMode::kClamp : mode;
}

uint32_t SizeOf(const TexelImage& image, int axis) {
  return axis == 0 ? image.width : axis == 1 ? image.height : image.depth;
}

Between Locate(AddressMode mode, double at, int64_t size, bool filters) {
  Between between;
  const double from = filters ? at - 0.5 : at;
  const double below = std::floor(from);
  const auto index = static_cast<int64_t>(below);
  between.first = Addressed(mode, index, size);
  between.second = filters ? Addressed(mode, index + 1, size) : between.first;
  between.weight =
      filters ? static_cast<float>(std::floor((from - below) * kWeightSteps + 0.5) / kWeightSteps)
              : 0;
  return between;
}

// ---- one image ----------------------------------------------------------------------------------

class ImageSampler {
 public:
  ImageSampler(const Texture& texture, const TexelImage& image, bool integers, TexelMemory* memory)
      : texture_(texture), image_(image), integers_(integers), memory_(memory) {}

  TexelValue Sample(const Position& position) {
    const bool filters = texture_.filters && texture_.gives_floats() && !integers_;
    Between axes[3];
    for (int axis = 0; axis < texture_.dimensions; ++axis) {
      axes[axis] = LocateOn(axis, position, filters);
    }
    if (!filters) {
      return Texel(axes, 0, position.slice);
    }
    TexelValue sum;
    for (unsigned corner = 0; corner < 1u << texture_.dimensions; ++corner) {
      float weight = 1;
      for (int axis = 0; axis < texture_.dimensions; ++axis) {
        const float second = axes[axis].weight;
        weight *= (corner >> axis & 1) != 0 ? second : 1 - second;
      }
      // What has no weight is not looked at: an infinite neighbour must not become a NaN.
      if (weight != 0) {
        sum.AddWeighted(Texel(axes, corner, position.slice), weight);
      }
    }
    return sum;
  }

  // One component of the four texels that a filter would look at, in the order of CUDA.
  TexelValue Gather(const Position& position, uint32_t component) {
    Between axes[3];
    for (int axis = 0; axis < 2; ++axis) {
      axes[axis] = LocateOn(axis, position, true);
    }
    constexpr unsigned kCorners[4] = {2, 3, 1, 0};  // bit 0: the second in x; bit 1: in y
    TexelValue gathered;
    for (uint32_t i = 0; i < 4; ++i) {
      gathered.bits[i] = Texel(axes, kCorners[i], position.slice).bits[component];
    }
    return gathered;
  }

 private:
  Between LocateOn(int axis, const Position& position, bool filters) const {
    return Locate(ModeOf(texture_, axis, integers_), position.at[axis], SizeOf(image_, axis),
                  filters);
  }

  TexelValue Texel(const Between (&axes)[3], unsigned corner, uint32_t slice) {
    int64_t at[3] = {0, 0, 0};
    for (int axis = 0; axis < texture_.dimensions; ++axis) {
      at[axis] = (corner >> axis & 1) != 0 ? axes[axis].second : axes[axis].first;
      if (at[axis] == kBorder) {
        return BorderOf(texture_);
      }
    }
    const auto x = static_cast<uint64_t>(at[0]) * texture_.texel_bytes();
    const uint64_t z = texture_.dimensions == 3 ? static_cast<uint64_t>(at[2]) : slice;
    const uint64_t address = AddressOfTexel(image_, x, static_cast<uint64_t>(at[1]), z);
    const std::byte* const texel = memory_->At(address, texture_.texel_bytes());
    return texel == nullptr ? TexelValue() : ReadTexel(texture_, texel);
  }

  const Texture& texture_;
  const TexelImage& image_;
  const bool integers_;
  TexelMemory* const memory_;
};

// ---- coordinates --------------------------------------------------------------------------------

// A direction becomes a face and a place on it from 0 to 1.
uint32_t FaceOf(const double (&direction)[3], double* s, double* t) {
  const double x = direction[0];
  const double y = direction[1];
  const double z = direction[2];
  const double largest = std::max({std::fabs(x), std::fabs(y), std::fabs(z)});
  uint32_t face = 0;
  double across = 0;
  double down = 0;
  if (std::fabs(z) == largest) {
    face = z >= 0 ? 4 : 5;
    across = z >= 0 ? x : -x;
    down = -y;
  } else if (std::fabs(y) == largest) {
    face = y >= 0 ? 2 : 3;
    across = x;
    down = y >= 0 ? z : -z;
  } else {
    face = x >= 0 ? 0 : 1;
    across = x >= 0 ? -z : z;
    down = -y;
  }
  *s = largest == 0 ? 0.5 : (across / largest + 1) / 2;
  *t = largest == 0 ? 0.5 : (down / largest + 1) / 2;
  return face;
}

double CoordinateOf(const TextureAccess& access, int axis, bool integers) {
  return integers ? static_cast<double>(static_cast<int32_t>(access.coordinates[axis]))
                  : Bounded(std::bit_cast<float>(access.coordinates[axis]));
}

// The same place in another image, which has another size.
Position PositionIn(const Texture& texture,
                    const TexelImage& image,
                    const jit::AccessForm& form,
                    const TextureAccess& access) {
  Position position;
  double given[3];
  for (int axis = 0; axis < 3; ++axis) {
    given[axis] = CoordinateOf(access, axis, form.integer_coordinates);
  }
  const uint32_t layers = texture.is_layered ? image.depth / (texture.is_cube ? kFaces : 1) : 1;
  const uint32_t layer = texture.is_layered && layers != 0 ? std::min(access.layer, layers - 1) : 0;
  position.slice = layer;
  const bool is_fraction = (texture.is_normalized || texture.is_cube) && !form.integer_coordinates;
  if (texture.is_cube) {
    const double direction[3] = {given[0], given[1], given[2]};
    position.slice = layer * kFaces + FaceOf(direction, &given[0], &given[1]);
  }
  for (int axis = 0; axis < texture.dimensions; ++axis) {
    position.at[axis] = is_fraction ? Bounded(given[axis] * SizeOf(image, axis)) : given[axis];
  }
  return position;
}

float LevelOf(const Texture& texture, const jit::AccessForm& form, const TextureAccess& access) {
  float level = 0;
  if (form.detail == TextureDetail::kLevel) {
    level = std::bit_cast<float>(access.level);
  } else if (form.detail == TextureDetail::kGradient) {
    double longest = 0;
    for (int direction = 0; direction < 2; ++direction) {
      double squares = 0;
      for (int axis = 0; axis < texture.dimensions; ++axis) {
        const double step =
            std::bit_cast<float>(access.gradients[direction * texture.dimensions + axis]);
        const double texels = texture.is_normalized ? step * SizeOf(texture.images[0], axis) : step;
        squares += texels * texels;
      }
      longest = std::max(longest, squares);
    }
    level = longest > 0 ? static_cast<float>(std::log2(longest) / 2) : texture.level_min;
  }
  level = std::isnan(level) ? 0 : level + texture.level_bias;
  const auto last = static_cast<float>(texture.levels - 1);
  return std::clamp(
      std::clamp(level, texture.level_min, std::max(texture.level_min, texture.level_max)), 0.0f,
      last);
}

TexelValue SampleLevel(const Texture& texture,
                       uint32_t level,
                       const jit::AccessForm& form,
                       TexelMemory* memory,
                       const TextureAccess& access) {
  const TexelImage& image = texture.images[level];
  const Position position = PositionIn(texture, image, form, access);
  ImageSampler sampler(texture, image, form.integer_coordinates, memory);
  return form.step == jit::TextureStep::kGather ? sampler.Gather(position, form.component)
                                                : sampler.Sample(position);
}

TexelValue SampleLevels(const Texture& texture,
                        const jit::AccessForm& form,
                        TexelMemory* memory,
                        const TextureAccess& access) {
  if (texture.levels == 1) {
    return SampleLevel(texture, 0, form, memory, access);
  }
  const float level = LevelOf(texture, form, access);
  if (!texture.filters_levels || !texture.gives_floats()) {
    return SampleLevel(texture, static_cast<uint32_t>(std::floor(level + 0.5f)), form, memory,
                       access);
  }
  const float below = std::floor(level);
  const float weight = std::floor((level - below) * kWeightSteps + 0.5f) / kWeightSteps;
  const auto first = static_cast<uint32_t>(below);
  if (weight == 0) {
    return SampleLevel(texture, first, form, memory, access);
  }
  const uint32_t second = std::min(first + 1, texture.levels - 1);
  TexelValue sum;
  sum.AddWeighted(SampleLevel(texture, first, form, memory, access), 1 - weight);
  sum.AddWeighted(SampleLevel(texture, second, form, memory, access), weight);
  return sum;
}

// One row of plain memory: no filter, and zeros outside of it.
TexelValue ReadLinear(const Texture& texture,
                      const jit::AccessForm& form,
                      TexelMemory* memory,
                      const TextureAccess& access) {
  const double at = std::floor(CoordinateOf(access, 0, form.integer_coordinates));
  if (at < 0 || at >= texture.images[0].width) {
    return {};
  }
  const uint32_t bytes = texture.texel_bytes();
  const std::byte* const texel =
      memory->At(texture.images[0].base + static_cast<uint64_t>(at) * bytes, bytes);
  return texel == nullptr ? TexelValue() : ReadTexel(texture, texel);
}

}  // namespace

void SampleTexture(const Texture& texture,
                   const jit::AccessForm& form,
                   TexelMemory* memory,
                   TextureAccess* access) {
  const TexelValue value = texture.is_linear ? ReadLinear(texture, form, memory, *access)
                                             : SampleLevels(texture, form, memory, *access);
  std::copy(std::begin(value.bits), std::end(value.bits), access->data);
}

uint32_t QueryTexture(const Texture& texture, TextureQuery query, uint32_t level) {
  const TexelImage& image = texture.images[std::min(level, texture.levels - 1)];
  switch (query) {
    case TextureQuery::kWidth:
      return image.width;
    case TextureQuery::kHeight:
      return texture.dimensions > 1 ? image.height : 0;
    case TextureQuery::kDepth:
      return texture.dimensions > 2 ? image.depth : 0;
    case TextureQuery::kArraySize:
      return texture.is_layered ? image.depth / (texture.is_cube ? kFaces : 1) : 0;
    case TextureQuery::kLevels:
      return texture.levels;
    default:
      return texture.is_normalized ? 1 : 0;
  }
}

}  // namespace farlane::soft
