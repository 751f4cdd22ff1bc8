// SPDX-License-Identifier: Apache-2.0
// What programs say about files to be written when a kernel fails.
#include "protocol/abi/coredump_settings.h"
#include "soft-gpu/api/call.h"
#include "soft-gpu/bodies.h"

namespace farlane::soft {

CUresult cuCoredumpGetAttribute(CUcoredumpSettings attrib, void* value, size_t* size) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return size == nullptr ? CUDA_ERROR_INVALID_VALUE
                         : call.context->coredump().Tell(attrib, value, size);
}

CUresult cuCoredumpSetAttribute(CUcoredumpSettings attrib, void* value, size_t* size) {
  const ContextCall call;
  FARLANE_SOFT_TRY(call.result);
  return size == nullptr ? CUDA_ERROR_INVALID_VALUE
                         : call.context->coredump().Set(attrib, value, size);
}

CUresult cuCoredumpGetAttributeGlobal(CUcoredumpSettings attrib, void* value, size_t* size) {
  return size == nullptr ? CUDA_ERROR_INVALID_VALUE
                         : abi::CoredumpSettings::OfProgram().Tell(attrib, value, size);
}

CUresult cuCoredumpSetAttributeGlobal(CUcoredumpSettings attrib, void* value, size_t* size) {
  return size == nullptr ? CUDA_ERROR_INVALID_VALUE
                         : abi::CoredumpSettings::OfProgram().Set(attrib, value, size);
}

}  // namespace farlane::soft
