// SPDX-License-Identifier: Apache-2.0
// A graph as a text in the DOT language, for people who debug their program.
#pragma once

#include <functional>
#include <string>

#include "protocol/graph/graphs.h"

namespace farlane::graph {

using KernelName = std::function<std::string(CUfunction)>;

// `flags`: CU_GRAPH_DEBUG_DOT_FLAGS_*, which say what of each node is shown.
std::string DotText(const std::vector<GraphPicture>& pictures,
                    unsigned int flags,
                    const KernelName& name_of);

// Writes it to a file; CUDA_ERROR_OPERATING_SYSTEM where that cannot be.
CUresult DotPrint(Graphs& graphs,
                  wire::Handle graph,
                  const char* path,
                  unsigned int flags,
                  const KernelName& name_of);

}  // namespace farlane::graph
