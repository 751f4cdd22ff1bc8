// SPDX-License-Identifier: Apache-2.0
#include "gpu-server/daemon/clean_environment.h"

#include <cstdlib>
#include <string>
#include <vector>

#include <unistd.h>

#include "protocol/base/environment.h"
#include "protocol/base/log.h"

namespace farlane::server {
namespace {

constexpr const char* kClientVariables[] = {
    "FARLANE_SERVER",
    "FARLANE_POOL",
    "FARLANE_SESSION",
    "FARLANE_TOKEN",
    "FARLANE_TOKEN_FILE",
    "FARLANE_SYNC",
    "FARLANE_TRANSPORT",
    "FARLANE_TRACE",
    "FARLANE_GRACE",
    "FARLANE_LOSS_NOTE",
    // What a program asks of its driver the client library does; a private server inherits it. A
    // worker whose launches waited, or that stopped where a kernel fails, would keep its client
    // waiting.
    "CUDA_VISIBLE_DEVICES",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_LOG_FILE",
    "CUDA_FORCE_PTX_JIT",
    "CUDA_FORCE_JIT",
    "CUDA_DISABLE_PTX_JIT",
    "CUDA_DISABLE_JIT",
    "CUDA_GRAPHS_USE_NODE_PRIORITY",
    "CUDA_DEVICE_WAITS_ON_EXCEPTION",
    "CUDA_ENABLE_COREDUMP_ON_EXCEPTION",
    "CUDA_ENABLE_USER_TRIGGERED_COREDUMP",
};

// The folder of the client library, wherever it is installed, and the library itself.
constexpr char kClientFolder[] = "farlane/client";

// Takes the parts out of a list that lead to the client library; true if there were any.
bool Strip(const char* variable, const std::string& separators) {
  const std::string whole = Environment(variable).value_or("");
  std::string kept;
  bool found = false;
  for (size_t start = 0; start < whole.size();) {
    const size_t end = std::min(whole.find_first_of(separators, start), whole.size());
    const std::string part = whole.substr(start, end - start);
    if (part.find(kClientFolder) != std::string::npos) {
      found = true;
    } else {
      kept += (kept.empty() ? "" : ":") + part;
    }
    start = end + 1;
  }
  if (found) {
    kept.empty() ? unsetenv(variable) : setenv(variable, kept.c_str(), 1);
  }
  return found;
}

}  // namespace

void CleanEnvironment(char** argv) {
  for (const char* variable : kClientVariables) {
    unsetenv(variable);
  }
  const bool searched = Strip("LD_LIBRARY_PATH", ":;");
  const bool preloaded = Strip("LD_PRELOAD", ": ");
  if (searched || preloaded) {
    // The loader has read them already, so only a new start is free of them.
    execv("/proc/self/exe", argv);
    LogWarn("cannot start again without the client library's search path");
  }
}

}  // namespace farlane::server
