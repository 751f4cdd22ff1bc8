// SPDX-License-Identifier: Apache-2.0
// Textures keeps the texture and surface objects of the process: what the program said of each, and
// the number that kernels know it by.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>

#include "protocol/abi/cuda_abi.h"
#include "protocol/base/guarded.h"
#include "soft-gpu/device/arrays.h"
#include "soft-gpu/exec/texture.h"

namespace farlane::soft {

// Thread: caller's.
struct TextureObject {
  bool is_surface = false;
  uint64_t context = 0;
  CUDA_RESOURCE_DESC resource{};
  CUDA_TEXTURE_DESC texture{};
  CUDA_RESOURCE_VIEW_DESC view{};
  bool has_view = false;
};

using DeviceLimit = std::function<int(CUdevice_attribute)>;

// What kernels see of an object, whose resource, texture and view are set; or why there is none.
CUresult DescribeTexture(const TextureObject& object,
                         const Arrays& arrays,
                         const DeviceLimit& limit_of,
                         Texture* texture);

// Thread: any, guarded.
class Textures {
 public:
  CUresult Add(const TextureObject& object, const Texture& texture, uint64_t* number);
  std::optional<TextureObject> Find(uint64_t number, bool is_surface) const;
  // False if there is no such one.
  bool Remove(uint64_t number, bool is_surface);
  void ForgetContext(uint64_t context);

 private:
  using Objects = std::map<uint64_t, TextureObject>;

  Guarded<Objects> objects_;
};

}  // namespace farlane::soft
