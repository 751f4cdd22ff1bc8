// SPDX-License-Identifier: Apache-2.0
#include "client-shim/arrays.h"

#include "client-shim/bodies.h"

namespace farlane::shim {
namespace {

CUresult Create(const CallScope& scope,
                const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
                uint32_t levels,
                bool is_mipmapped,
                uint64_t* handle) {
  const Device& device = scope.session().device(scope.device());
  const abi::ArrayShape shape(descriptor, levels);
  const CUresult possible =
      shape.Check([&device](CUdevice_attribute attribute) { return device.attribute(attribute); });
  if (possible != CUDA_SUCCESS) {
    return possible == CUDA_ERROR_NOT_SUPPORTED
               ? Missing("an array of this format or with these flags")
               : possible;
  }
  const ArrayObject array{
      .shape = shape, .is_mipmapped = is_mipmapped, .parent = 0, .context = scope.context()};
  const wire::Handle minted = scope.session().objects().arrays.Mint(array);
  if (minted == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = scope.session().Call(
      scope.context(), wire::ArrayCreate{.array = minted,
                                         .width = descriptor.Width,
                                         .height = descriptor.Height,
                                         .depth = descriptor.Depth,
                                         .format = static_cast<int32_t>(descriptor.Format),
                                         .channels = descriptor.NumChannels,
                                         .flags = descriptor.Flags,
                                         .levels = is_mipmapped ? shape.levels() : 0});
  if (result != CUDA_SUCCESS) {
    scope.session().objects().arrays.Retire(minted);
    return result;
  }
  *handle = minted;
  return CUDA_SUCCESS;
}

const CUDA_ARRAY3D_DESCRIPTOR& DescriptorOf(const CallScope& scope, CUarray array) {
  return scope.session().objects().arrays.Find(ToWire(array))->shape.descriptor();
}

CUresult Destroy(const CallScope& scope, wire::Handle handle) {
  Objects& objects = scope.session().objects();
  if (objects.arrays.Find(handle)->parent != 0) {
    return CUDA_SUCCESS;  // a level goes with its mipmapped array
  }
  objects.array_levels.With([&](ArrayLevels& levels) {
    std::erase_if(levels, [&](const auto& entry) {
      if (entry.first.first != handle) {
        return false;
      }
      objects.arrays.Retire(entry.second);
      return true;
    });
  });
  const CUresult result =
      scope.session().Call(scope.context(), wire::ArrayDestroy{.array = handle});
  objects.arrays.Retire(handle);
  return result;
}

}  // namespace

CUresult CreateArray(const CallScope& scope,
                     const CUDA_ARRAY_DESCRIPTOR& descriptor,
                     uint64_t* handle) {
  CUDA_ARRAY3D_DESCRIPTOR flat{};
  flat.Width = descriptor.Width;
  flat.Height = descriptor.Height;
  flat.Format = descriptor.Format;
  flat.NumChannels = descriptor.NumChannels;
  return Create(scope, flat, 1, false, handle);
}

CUresult CreateArray(const CallScope& scope,
                     const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
                     uint64_t* handle) {
  return Create(scope, descriptor, 1, false, handle);
}

CUresult CreateMipmappedArray(const CallScope& scope,
                              const CUDA_ARRAY3D_DESCRIPTOR& descriptor,
                              uint32_t levels,
                              uint64_t* handle) {
  return Create(scope, descriptor, levels, true, handle);
}

CUresult LevelOfArray(const CallScope& scope,
                      CUmipmappedArray mipmapped,
                      uint32_t level,
                      uint64_t* handle) {
  Objects& objects = scope.session().objects();
  const wire::Handle parent = ToWire(mipmapped);
  const ArrayObject& whole = *objects.arrays.Find(parent);
  if (level >= whole.shape.levels()) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return objects.array_levels.With([&](ArrayLevels& levels) {
    wire::Handle& known = levels[{parent, level}];
    if (known == 0) {
      known = objects.arrays.Mint(ArrayObject{.shape = whole.shape.Level(level),
                                              .is_mipmapped = false,
                                              .parent = parent,
                                              .context = whole.context});
      if (known == 0) {
        return CUDA_ERROR_OUT_OF_MEMORY;
      }
      scope.session().Post(
          scope.context(),
          wire::ArrayLevel{.array = parent, .level_array = known, .level = level, .reserved = 0});
    }
    *handle = known;
    return CUDA_SUCCESS;
  });
}

CUresult DescribeArray(const CallScope& scope, CUarray array, CUDA_ARRAY_DESCRIPTOR* descriptor) {
  const CUDA_ARRAY3D_DESCRIPTOR& whole = DescriptorOf(scope, array);
  descriptor->Width = whole.Width;
  descriptor->Height = whole.Height;
  descriptor->Format = whole.Format;
  descriptor->NumChannels = whole.NumChannels;
  return CUDA_SUCCESS;
}

CUresult DescribeArray(const CallScope& scope, CUarray array, CUDA_ARRAY3D_DESCRIPTOR* descriptor) {
  *descriptor = DescriptorOf(scope, array);
  return CUDA_SUCCESS;
}

CUresult DestroyArray(const CallScope& scope, CUarray array) {
  return Destroy(scope, ToWire(array));
}

CUresult DestroyMipmappedArray(const CallScope& scope, CUmipmappedArray mipmapped) {
  return Destroy(scope, ToWire(mipmapped));
}

void ForgetArrays(Session& session, wire::Handle context) {
  Objects& objects = session.objects();
  objects.array_levels.With([&](ArrayLevels& levels) {
    std::erase_if(levels, [&](const auto& entry) {
      const ArrayObject* level = objects.arrays.Find(entry.second);
      return level == nullptr || level->context == context;
    });
  });
  objects.arrays.RetireIf([context](const ArrayObject& array) { return array.context == context; });
}

}  // namespace farlane::shim
