// SPDX-License-Identifier: Apache-2.0
// What a call answers that has no body: an honest error, and one line per name so that a user can
// tell us.
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "client-shim/bodies.h"
#include "protocol/abi/error_log.h"
#include "protocol/base/log.h"

namespace farlane::shim {
namespace {

// The names are literals of the generated entry points, so views of them stay valid.
// Not Guarded: one function, one lock.
bool IsFirst(std::string_view symbol) {
  static std::mutex mutex;
  static auto* const said =
      new std::set<std::string_view>();  // never destroyed: calls come until the last moment
  std::lock_guard<std::mutex> lock(mutex);
  return said->insert(symbol).second;
}

}  // namespace

CUresult Missing(const char* symbol) {
  if (IsFirst(symbol)) {
    LogWarn("%s is not supported in this version; the program gets CUDA_ERROR_NOT_SUPPORTED",
            symbol);
  }
  abi::ErrorLog::Explain(CUDA_ERROR_NOT_SUPPORTED, "not supported in this version");
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult Refused(const char* symbol, const char* reason) {
  if (IsFirst(symbol)) {
    LogWarn("%s cannot work on a remote GPU: %s", symbol, reason);
  }
  abi::ErrorLog::Explain(CUDA_ERROR_NOT_SUPPORTED,
                         std::string("cannot work on a remote GPU: ") + reason);
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace farlane::shim
