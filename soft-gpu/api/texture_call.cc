// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/api/texture_call.h"

#include "protocol/base/log.h"
#include "soft-gpu/bodies.h"
#include "soft-gpu/exec/frame_rights.h"

namespace farlane::soft {

CUresult DescribeIn(const ContextCall& call, const TextureObject& object, Texture* texture) {
  const Device* const device = call.driver->FindDevice(call.context->device());
  texture->rights = RightOfMapping(call.context->device());
  const CUresult described = DescribeTexture(
      object, call.driver->arrays(),
      [device](CUdevice_attribute attribute) {
        int value = 0;
        static_cast<void>(device->Attribute(attribute, &value));
        return value;
      },
      texture);
  return described == CUDA_ERROR_NOT_SUPPORTED
             ? Missing("a texture of compressed blocks, or a cubemap without seams")
             : described;
}

}  // namespace farlane::soft
