// SPDX-License-Identifier: Apache-2.0
// What the driver's manual demands of device memory that a texture reads as it is, without an
// array: how it is aligned and how large it may be. Client and software GPU judge alike; whose
// memory it is, others look.
#pragma once

#include <functional>

#include "protocol/abi/cuda_abi.h"

namespace farlane::abi {

// What a texture, by object or by reference, may be told in its flags.
inline constexpr unsigned int kTextureFlags =
    CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB |
    CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP;

// CUDA_ERROR_INVALID_VALUE where a device with these limits would not read it. Only of a resource
// that is linear or pitched memory.
CUresult CheckTextureMemory(const CUDA_RESOURCE_DESC& resource,
                            const std::function<int(CUdevice_attribute)>& limit_of);

}  // namespace farlane::abi
