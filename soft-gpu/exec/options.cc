// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/exec/options.h"

namespace farlane::soft {
namespace {

// Never destroyed: grids may run until the very end of the process.
ExecutionOptions& Options() {
  static ExecutionOptions* const options = new ExecutionOptions;
  return *options;
}

}  // namespace

void SetExecutionOptions(const ExecutionOptions& options) {
  Options() = options;
}

const ExecutionOptions& CurrentExecutionOptions() {
  return Options();
}

}  // namespace farlane::soft
