// SPDX-License-Identifier: Apache-2.0
#include "soft-gpu/device/graph_exec.h"

namespace farlane::soft {

NodeRun GraphExec::Prepare() const {
  auto runs = std::make_shared<std::vector<NodeRun>>();
  steps.With([&](const std::vector<graph::Step>& all) {
    for (const graph::Step& step : all) {
      if (!step.enabled) {
        continue;
      }
      const WorkCommand& work = WorkOf(step.command);
      NodeRun run = work.prepare ? work.prepare() : work.run;
      if (run) {
        runs->push_back(std::move(run));
      }
    }
  });
  return [runs] {
    for (const NodeRun& run : *runs) {
      if (const CUresult result = run(); result != CUDA_SUCCESS) {
        return result;
      }
    }
    return CUDA_SUCCESS;
  };
}

}  // namespace farlane::soft
