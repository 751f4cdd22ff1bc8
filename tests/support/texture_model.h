// SPDX-License-Identifier: Apache-2.0
// What sampling a texture should give, in double precision, written from the formulas of the CUDA
// programming guide's chapter on fetching textures and from nothing else: coordinates are addressed
// first, as the guide has it, and texels are looked up one by one.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace texture_model {

enum class Mode { kWrap, kClamp, kMirror, kBorder };

// Texels of one channel. A dimension that is not there has size 1 and is not filtered.
// Thread: caller's.
struct Model {
  int dimensions = 1;
  int size[3] = {1, 1, 1};
  Mode mode[3] = {Mode::kClamp, Mode::kClamp, Mode::kClamp};
  bool normalized = false;
  bool linear = false;
  double border = 0;
  std::vector<double> texels;

  double Texel(int x, int y, int z) const {
    return texels[(static_cast<size_t>(z) * static_cast<size_t>(size[1]) + static_cast<size_t>(y)) *
                      static_cast<size_t>(size[0]) +
                  static_cast<size_t>(x)];
  }
};

// The guide: wrap and mirror are for normalised coordinates, elsewhere they mean clamp.
inline Mode ModeOn(const Model& model, int axis) {
  const Mode mode = model.mode[axis];
  return !model.normalized && (mode == Mode::kWrap || mode == Mode::kMirror) ? Mode::kClamp : mode;
}

// The texel that stands at a place that may lie outside; -1 for the border. The place is one of the
// infinitely many copies that wrapping and mirroring lay side by side.
inline int Folded(Mode mode, double place, int size) {
  const double copy = std::floor(place / size);
  const double inside = place - copy * size;
  if (mode == Mode::kWrap) {
    return static_cast<int>(inside);
  }
  if (mode == Mode::kMirror) {
    const bool forwards = std::fmod(std::fabs(copy), 2.0) == 0;
    return forwards ? static_cast<int>(inside) : size - 1 - static_cast<int>(inside);
  }
  if (place < 0 || place >= size) {
    return mode == Mode::kBorder ? -1 : place < 0 ? 0 : size - 1;
  }
  return static_cast<int>(place);
}

// tex(x, y, z).
inline double Sample(const Model& model, double x, double y = 0, double z = 0) {
  const double given[3] = {x, y, z};
  double first[3] = {0, 0, 0};
  double weight[3] = {0, 0, 0};
  for (int axis = 0; axis < model.dimensions; ++axis) {
    const double at = given[axis] * (model.normalized ? model.size[axis] : 1);
    const double from = model.linear ? at - 0.5 : at;
    first[axis] = std::floor(from);
    // A weight has 8 bits of fraction.
    weight[axis] = model.linear ? std::round((from - first[axis]) * 256) / 256 : 0;
  }
  double sum = 0;
  for (int corner = 0; corner < 8; ++corner) {
    double share = 1;
    int texel[3] = {0, 0, 0};
    bool outside = false;
    for (int axis = 0; axis < 3; ++axis) {
      const int step = corner >> axis & 1;
      share *= step == 1 ? weight[axis] : 1 - weight[axis];
      if (axis < model.dimensions) {
        texel[axis] = Folded(ModeOn(model, axis), first[axis] + step, model.size[axis]);
        outside = outside || texel[axis] < 0;
      }
    }
    if (share != 0) {
      sum += share * (outside ? model.border : model.Texel(texel[0], texel[1], texel[2]));
    }
  }
  return sum;
}

}  // namespace texture_model
