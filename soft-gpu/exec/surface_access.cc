// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/surface_access.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <type_traits>

namespace farlane::soft {
namespace {

using jit::AccessForm;
using jit::SurfaceBounds;
using jit::SurfaceReduction;
using jit::TextureAccess;
using jit::TextureStep;

// x in bytes, the row, and the slice or layer.
struct Element {
  int64_t x = 0;
  int64_t row = 0;
  int64_t slice = 0;
};

template <typename T>
T Reduced(SurfaceReduction reduction, T old, T value) {
  using Signed = std::make_signed_t<T>;
  const auto signed_old = static_cast<Signed>(old);
  const auto signed_value = static_cast<Signed>(value);
  switch (reduction) {
    case SurfaceReduction::kAdd:
      return old + value;
    case SurfaceReduction::kMinUnsigned:
      return std::min(old, value);
    case SurfaceReduction::kMinSigned:
      return static_cast<T>(std::min(signed_old, signed_value));
    case SurfaceReduction::kMaxUnsigned:
      return std::max(old, value);
    case SurfaceReduction::kMaxSigned:
      return static_cast<T>(std::max(signed_old, signed_value));
    case SurfaceReduction::kAnd:
      return old & value;
    default:
      return old | value;
  }
}

// Blocks run on several threads, so another may do the same at the same time.
template <typename T>
void Reduce(SurfaceReduction reduction, std::byte* at, const uint32_t* data) {
  T value;
  std::memcpy(&value, data, sizeof value);
  std::atomic_ref<T> element(*reinterpret_cast<T*>(at));
  T old = element.load(std::memory_order_relaxed);
  while (!element.compare_exchange_weak(old, Reduced(reduction, old, value),
                                        std::memory_order_relaxed)) {
  }
}

bool IsInside(const Element& element, const Element& last) {
  return element.x >= 0 && element.x <= last.x && element.row >= 0 && element.row <= last.row &&
         element.slice >= 0 && element.slice <= last.slice;
}

}  // namespace

void AccessSurface(const Texture& surface,
                   const AccessForm& form,
                   TexelMemory* memory,
                   TextureAccess* access) {
  const TexelImage& image = surface.images[0];
  const uint32_t bytes = 1u << (form.element_log2 + form.elements_log2);
  const auto row_bytes = static_cast<int64_t>(uint64_t{image.width} * surface.texel_bytes());
  const auto coordinate = [&](int axis) {
    return axis < surface.dimensions ? static_cast<int32_t>(access->coordinates[axis]) : 0;
  };
  Element element{coordinate(0), coordinate(1),
                  surface.is_layered ? static_cast<int32_t>(access->layer) : coordinate(2)};
  const Element last{row_bytes - bytes, int64_t{image.height} - 1, int64_t{image.depth} - 1};
  if (form.step == TextureStep::kLoad) {
    std::fill(std::begin(access->data), std::end(access->data), 0);
  }
  if (last.x < 0 || !IsInside(element, last)) {
    if (form.bounds == SurfaceBounds::kZero) {
      return;
    }
    if (form.bounds == SurfaceBounds::kTrap || last.x < 0) {
      memory->Fail({true, false, image.base, bytes});
      return;
    }
    element = {std::clamp<int64_t>(element.x, 0, last.x),
               std::clamp<int64_t>(element.row, 0, last.row),
               std::clamp<int64_t>(element.slice, 0, last.slice)};
  }
  const uint64_t address =
      AddressOfTexel(image, static_cast<uint64_t>(element.x), static_cast<uint64_t>(element.row),
                     static_cast<uint64_t>(element.slice));
  if (element.x % bytes != 0) {
    memory->Fail({true, true, address, bytes});
    return;
  }
  std::byte* const at = memory->At(address, bytes);
  if (at == nullptr) {
    return;
  }
  if (form.step == TextureStep::kLoad) {
    std::memcpy(access->data, at, bytes);
  } else if (form.step == TextureStep::kStore) {
    std::memcpy(at, access->data, bytes);
  } else if (bytes == sizeof(uint64_t)) {
    Reduce<uint64_t>(form.reduction, at, access->data);
  } else {
    Reduce<uint32_t>(form.reduction, at, access->data);
  }
}

}  // namespace farlane::soft
