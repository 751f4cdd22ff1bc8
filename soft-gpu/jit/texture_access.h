// SPDX-License-Identifier: Apache-2.0
// How compiled code asks the runtime to read a texture or to work on a surface: it fills a
// TextureAccess on its stack and gives an AccessForm, packed into 32 bits. Both sides, the emitters
// and the runtime, see nothing of each other but this.
#pragma once

#include <cstdint>

namespace farlane::soft::jit {

enum class TextureStep : uint8_t {
  kSample,  // tex
  kGather,  // tld4
  kQuery,   // txq, suq
  kLoad,    // suld
  kStore,   // sust
  kReduce,  // sured
};

enum class TextureGeometry : uint8_t { k1D, k2D, k3D, k1DLayered, k2DLayered, kCube, kCubeLayered };

enum class TextureDetail : uint8_t { kBase, kLevel, kGradient };

enum class SurfaceBounds : uint8_t { kTrap, kClamp, kZero };

enum class SurfaceReduction : uint8_t {
  kAdd,
  kMinUnsigned,
  kMinSigned,
  kMaxUnsigned,
  kMaxSigned,
  kAnd,
  kOr
};

enum class TextureQuery : uint8_t {
  kWidth,
  kHeight,
  kDepth,
  kChannelDataType,
  kChannelOrder,
  kNormalizedCoordinates,
  kArraySize,
  kLevels,
  kFilterMode,
  kAddressMode0,
  kAddressMode1,
  kAddressMode2,
};

// Thread: caller's.
struct AccessForm {
  TextureStep step = TextureStep::kSample;
  TextureGeometry geometry = TextureGeometry::k1D;
  TextureDetail detail = TextureDetail::kBase;
  bool integer_coordinates = false;
  uint8_t component = 0;  // of a gather
  SurfaceBounds bounds = SurfaceBounds::kTrap;
  SurfaceReduction reduction = SurfaceReduction::kAdd;
  TextureQuery query = TextureQuery::kWidth;
  uint8_t element_log2 = 2;  // bytes of an element of a surface access
  uint8_t elements_log2 = 0;
  bool of_surface = false;  // a query

  constexpr uint32_t Pack() const {
    return static_cast<uint32_t>(step) | static_cast<uint32_t>(geometry) << 3 |
           static_cast<uint32_t>(detail) << 6 | uint32_t{integer_coordinates} << 8 |
           uint32_t{component} << 10 | static_cast<uint32_t>(bounds) << 12 |
           static_cast<uint32_t>(reduction) << 14 | static_cast<uint32_t>(query) << 17 |
           uint32_t{element_log2} << 21 | uint32_t{elements_log2} << 23 |
           uint32_t{of_surface} << 25;
  }

  static constexpr AccessForm Unpack(uint32_t packed) {
    const auto bits = [packed](unsigned from, unsigned count) {
      return static_cast<uint8_t>(packed >> from & ((1u << count) - 1));
    };
    AccessForm form;
    form.step = static_cast<TextureStep>(bits(0, 3));
    form.geometry = static_cast<TextureGeometry>(bits(3, 3));
    form.detail = static_cast<TextureDetail>(bits(6, 2));
    form.integer_coordinates = bits(8, 1) != 0;
    form.component = bits(10, 2);
    form.bounds = static_cast<SurfaceBounds>(bits(12, 2));
    form.reduction = static_cast<SurfaceReduction>(bits(14, 3));
    form.query = static_cast<TextureQuery>(bits(17, 4));
    form.element_log2 = bits(21, 2);
    form.elements_log2 = bits(23, 2);
    form.of_surface = bits(25, 1) != 0;
    return form;
  }
};

// What goes in and comes out, in units of 32 bits: floats by their bits.
// Thread: the worker that runs the block.
struct TextureAccess {
  uint32_t coordinates[4];  // x y z; of a surface x in bytes
  uint32_t layer;
  uint32_t level;         // of detail, an f32; of a query the number of the level
  uint32_t gradients[6];  // dx, then dy, as many as there are coordinates
  uint32_t data[8];       // what is stored, or what comes out: elements of 8 to 64 bits
};

}  // namespace farlane::soft::jit
