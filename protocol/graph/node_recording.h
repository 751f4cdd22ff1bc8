// SPDX-License-Identifier: Apache-2.0
// A node that is described by itself does what some call does on a stream. RecordNode makes that
// call, on a stream that only collects (Captures::Collect), so that every rule of the call holds
// for the node, and nothing is written twice.
#pragma once

#include "protocol/graph/node_params.h"

namespace farlane::graph {

// The bodies of one libcuda. Thread: immutable.
struct StreamCalls {
  CUresult (*launch)(const CUlaunchConfig*, CUfunction, void**, void**, CUstream);
  CUresult (*copy)(const CUDA_MEMCPY3D*, CUstream);
  CUresult (*fill8)(CUdeviceptr, size_t, unsigned char, size_t, size_t, CUstream);
  CUresult (*fill16)(CUdeviceptr, size_t, unsigned short, size_t, size_t, CUstream);
  CUresult (*fill32)(CUdeviceptr, size_t, unsigned int, size_t, size_t, CUstream);
  CUresult (*host)(CUstream, CUhostFn, void*);
  CUresult (*record)(CUevent, CUstream, unsigned int);
  CUresult (*wait)(CUstream, CUevent, unsigned int);
  CUresult (*memory_operations)(CUstream, unsigned int, CUstreamBatchMemOpParams*, unsigned int);
};

// Kernels, copies, fills, functions of the program, events, operations on words of memory; nothing
// for an empty node. Other kinds are CUDA_ERROR_NOT_SUPPORTED.
CUresult RecordNode(const StreamCalls& calls,
                    const CUgraphNodeParams& params,
                    const Attributes& attributes,
                    CUstream stream);

}  // namespace farlane::graph
