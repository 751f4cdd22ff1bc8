// SPDX-License-Identifier: Apache-2.0
#include "client-shim/failure_trace.h"

#include "client-shim/bodies.h"
#include "client-shim/config.h"
#include "protocol/abi/error_log.h"
#include "protocol/base/log.h"

namespace farlane::shim {

void TellFailure(const char* symbol, CUresult result) {
  if (result == CUDA_ERROR_NOT_READY) {
    return;
  }
  const char* name = "an error without a name";
  const char* text = "";
  static_cast<void>(cuGetErrorName(result, &name));
  static_cast<void>(cuGetErrorString(result, &text));
  abi::ErrorLog::Get().Note(symbol, result, name, text);
  static const bool wanted = Config::FromEnvironment().trace_errors;
  if (!wanted) {
    return;
  }
  LogError("%s: %s (%d)", symbol, name, static_cast<int>(result));
}

}  // namespace farlane::shim
