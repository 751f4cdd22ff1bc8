// SPDX-License-Identifier: Apache-2.0
#include "client-shim/failure_trace.h"

#include "client-shim/bodies.h"
#include "client-shim/config.h"
#include "protocol/base/log.h"

namespace farlane::shim {

void TellFailure(const char* symbol, CUresult result) {
  static const bool wanted = Config::FromEnvironment().trace_errors;
  if (!wanted || result == CUDA_ERROR_NOT_READY) {
    return;
  }
  const char* name = "an error without a name";
  static_cast<void>(cuGetErrorName(result, &name));
  LogError("%s: %s (%d)", symbol, name, static_cast<int>(result));
}

}  // namespace farlane::shim
